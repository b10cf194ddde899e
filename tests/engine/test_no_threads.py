"""The system gives no more threads: runs go on with what there is, or say so; none waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._engine import loops, timers
from dalsegno.model.views import Page, RunFilter
from dalsegno.task_runners import ThreadPoolTaskRunner

Refuse = Callable[..., None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Give a function: no thread of these names starts any more, after so many that do."""
    start = threading.Thread.start

    def refuse(*names: str, after: int = 0) -> None:
        left = [after]

        def checked(thread: threading.Thread) -> None:
            if thread.name.startswith(names):
                if not left[0]:
                    raise RuntimeError("can't start new thread")
                left[0] -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", checked)

    monkeypatch.setattr(timers, "_clock", timers._Clock())  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(loops, "_loops", [])
    return refuse


@task
def double(number: int) -> int:
    return number * 2


@task
def total(numbers: list[int]) -> int:
    return sum(number.result() for number in double.map(numbers))


@flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
def main() -> int:
    futures = [total.submit([number, number + 1]) for number in range(20)]
    last = double.submit(futures[-1])  # pyright: ignore[reportArgumentType]
    return sum(future.result() for future in futures) + last.result()


EXPECTED = sum(4 * number + 2 for number in range(20)) + 2 * (4 * 19 + 2)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("others", [(), ("dalsegno-timers",), ("dalsegno-timers", "dalsegno-journal")])
def test_tasks_run_where_they_are_submitted(refuse: Refuse, after: int, others: tuple[str, ...]) -> None:
    if "dalsegno-journal" in others:
        refuse("dalsegno-worker", *others)
    else:
        refuse("dalsegno-worker", *others, after=after)
    assert main() == EXPECTED
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    assert run.state.name == "Completed"
    assert connect().count_task_runs(RunFilter()) == {"Completed": 61}


@pytest.mark.timeout(30)
def test_a_delay_of_a_retry_without_timers(refuse: Refuse) -> None:
    refuse("dalsegno-timers")
    runs: list[int] = []

    @task(retries=2, retry_delay_seconds=0.05)
    def flaky() -> int:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("not yet")
        return len(runs)

    @flow
    def retried() -> int:
        return flaky.submit().result()

    assert retried() == 3


@pytest.mark.timeout(30)
def test_a_coroutine_that_has_no_loop_crashes_and_says_why(refuse: Refuse) -> None:
    refuse("dalsegno-loop")

    @task
    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    @flow
    def waits() -> int:
        return one.submit().result()

    with pytest.raises(RuntimeError, match="can't start new thread"):
        waits()
    assert connect().count_task_runs(RunFilter()) == {"Crashed": 1}
