"""Arguments that another thread changes while a call looks at them."""

from __future__ import annotations

import sys
import threading

from dalsegno import flow, task


@task
def count(seen: set[str], places: dict[str, object]) -> bool:
    return bool(seen) and bool(places)


def test_a_set_and_a_dict_may_change_while_they_are_passed_on() -> None:
    seen = {f"order {number}" for number in range(300)}
    places: dict[str, object] = {f"place {number}": (number,) for number in range(300)}
    over = threading.Event()

    def change() -> None:
        number = 0
        while not over.is_set():
            number += 1
            seen.add(f"more {number % 50}")
            seen.discard(f"more {(number + 25) % 50}")
            places[f"more {number % 50}"] = (number,)
            places.pop(f"more {(number + 25) % 50}", None)

    @flow
    def orders() -> int:
        return sum(count(seen, places) for _ in range(200))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        assert orders() == 200
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)
