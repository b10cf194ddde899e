"""Waiting for what others write: nothing is missed, and a backend that is away is waited for."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

from dalsegno._backend.embedded import StoreBackend
from dalsegno._engine import bells
from dalsegno._engine.drivers import driven
from dalsegno._engine.messaging import Outside
from dalsegno.exceptions import BackendUnavailable
from dalsegno.model.views import VariableView


def test_whoever_waits_looks_again_after_a_change_and_at_an_end_of_an_outage() -> None:
    backend = StoreBackend.in_memory()
    looks: list[str] = []

    def look() -> Generator[Any, Any, float | None]:
        yield from ()
        if not looks:
            looks.append("away")
            raise BackendUnavailable("away")
        found = backend.get_variable("go")
        looks.append("found" if found else "nothing")
        if found is None and len(looks) == 2:
            threading.Thread(target=write).start()
        return None if found else float("inf")

    def write() -> None:
        backend.set_variable(VariableView(name="go", value=1, tags=(), created=1, updated=1), False)

    driven(bells.until(Outside(backend), look))
    assert looks[:2] == ["away", "nothing"]
    assert looks[-1] == "found"
    assert bells._watches == {}
    backend.close()
