"""Tasks in the background, with real processes: what is asked for is executed, whoever dies meanwhile, and told."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import close_embedded_backend
from tests.guarantees.processes import Program

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import FailedRun, SerializationError
from dalsegno.futures import DistributedFuture
from dalsegno.model.views import Page, RunFilter
from dalsegno.task_worker import TaskWorker, serve

PATIENCE = 60.0

TEXT = """
import os
import sys
import time

from dalsegno import flow, retry_flow_run, task


@task
def halting(number):
    with open("bodies", "a") as bodies:
        bodies.write(f"{number}\\n")
    if os.path.exists("halt"):
        print("halts", flush=True)
        while os.path.exists("halt"):
            time.sleep(0.02)
        print("goes on", flush=True)
    return 2 * number


@flow
def asking():
    future = halting.delay(21)
    if not os.path.exists("asked"):
        open("asked", "w").close()
        print("asked", flush=True)
        time.sleep(600)
    return str(future.task_run_id)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        halting.serve(limit=2)
    elif sys.argv[1] == "delay":
        print(halting.delay(int(sys.argv[2])).task_run_id)
    elif sys.argv[1] == "ask":
        asking()
    else:
        print(retry_flow_run(sys.argv[2], flow=asking))
"""


@pytest.fixture
def records(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the test record in the database of its parameter."""
    if request.param == "postgresql":
        monkeypatch.setenv("DALSEGNO_DATABASE_URL", request.getfixturevalue("postgres_url"))
    yield
    close_embedded_backend()


both = pytest.mark.parametrize("records", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def program(tmp_path: Path, dalsegno_home: Path) -> Program:
    return Program(tmp_path / "work", dalsegno_home, TEXT, "tasks.py")


def bodies(program: Program) -> list[str]:
    path = program.folder / "bodies"
    return path.read_text().split() if path.exists() else []


def states(future: DistributedFuture[Any]) -> list[str]:
    seen = connect().read_task_run(future.task_run_id.bytes)
    assert seen is not None
    return [state.name for state in seen.states or []]


@contextmanager
def serving(*tasks: Any, limit: int = 4) -> Iterator[TaskWorker]:
    """Serve tasks in a thread of this process."""
    worker = TaskWorker(*tasks, limit=limit)
    thread = threading.Thread(target=worker.start)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@task
def double(number: int) -> int:
    return 2 * number


@task
async def double_async(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@task
def fail() -> None:
    raise ValueError("out of stock")


@pytest.mark.behaviour(181)
def test_a_task_run_is_scheduled_from_delay_on_and_executed_by_who_serves_it() -> None:
    future = double.delay(21)
    assert (future.state.name, states(future)) == ("Scheduled", ["Scheduled"])
    future.wait(timeout=0)
    assert not future.state.is_final()
    with pytest.raises(TimeoutError):
        future.result(timeout=0)
    with serving(double):
        assert future.result(timeout=PATIENCE) == 42
    assert states(future) == ["Scheduled", "Pending", "Running", "Completed"]


@pytest.mark.behaviour(181)
def test_futures_among_the_arguments_are_resolved_and_recorded_as_upstreams() -> None:
    with serving(double, double_async):
        first = double.delay(1)
        second = double_async.apply_async([first], wait_for=[first])
        assert second.result(timeout=PATIENCE) == 4
    seen = connect().read_task_run(second.task_run_id.bytes)
    assert seen is not None
    assert sorted(seen.upstream) == [
        ("number", first.task_run_id.bytes),
        ("wait_for", first.task_run_id.bytes),
    ]


@pytest.mark.behaviour(182)
def test_the_future_tells_the_same_in_coroutines_callbacks_and_when_made_from_the_id() -> None:
    done: list[Any] = []
    called = threading.Event()

    def tell(future: Any) -> None:
        done.append(future.result(timeout=PATIENCE))
        called.set()

    async def ask() -> int:
        return await DistributedFuture[int](str(future.task_run_id)).result_async(timeout=PATIENCE)

    future = double.delay(4)
    future.add_done_callback(tell)
    with serving(double):
        assert asyncio.run(ask()) == 8
        assert called.wait(PATIENCE)
    assert done == [8]


@pytest.mark.behaviour(182)
def test_a_failure_is_raised_where_the_result_is_asked_for() -> None:
    with serving(fail):
        future = fail.delay()
        with pytest.raises(FailedRun, match="out of stock"):
            future.result(timeout=PATIENCE)
        assert isinstance(future.result(raise_on_failure=False), FailedRun)


@pytest.mark.behaviour(183)
def test_arguments_that_cannot_be_kept_are_an_error_of_delay_and_nothing_is_asked_for() -> None:
    with pytest.raises(SerializationError):
        double.delay(threading.Lock())  # type: ignore[arg-type]
    backend: Backend = connect()
    assert backend.list_task_runs(RunFilter(), Page(limit=10)) == []


@pytest.mark.behaviour(187)
def test_serving_ends_after_its_timeout() -> None:
    serve(double, timeout=0.05)


@pytest.mark.behaviour(184)
@both
@pytest.mark.usefixtures("records")
def test_a_run_whose_process_is_killed_runs_again_elsewhere_and_completes_once(program: Program) -> None:
    (program.folder / "halt").touch()
    future = DistributedFuture[int](program.run("delay", "21").last)
    with program.start("serve") as killed:
        killed.until("halts")
        killed.send(signal.SIGKILL)
        killed.end()
    (program.folder / "halt").unlink()
    with program.start("serve") as other:
        assert future.result(timeout=PATIENCE) == 42
        other.send(signal.SIGTERM)
        assert other.end().status == 0
    assert bodies(program) == ["21", "21"]
    counted = Counter(states(future))
    assert (counted["Completed"], counted["Crashed"], counted["AwaitingRetry"]) == (1, 1, 1)


@pytest.mark.behaviour(185)
def test_a_run_is_executed_again_so_often_only_as_the_setting_says(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_TASKS_BACKGROUND_MAX_RECOVERIES", "0")
    (program.folder / "halt").touch()
    future = DistributedFuture[int](program.run("delay", "1").last)
    with program.start("serve") as killed:
        killed.until("halts")
        killed.send(signal.SIGKILL)
        killed.end()
    with program.start("serve") as other:
        future.wait(timeout=PATIENCE)
        other.send(signal.SIGTERM)
        assert other.end().status == 0
    assert future.state.name == "Crashed"
    assert bodies(program) == ["1"]


@pytest.mark.behaviour(186)
@both
@pytest.mark.usefixtures("records")
def test_a_flow_that_is_killed_after_delay_and_picked_up_has_asked_once(program: Program) -> None:
    with program.start("ask") as killed:
        killed.until("asked")
        killed.send(signal.SIGKILL)
        killed.end()
    backend: Backend = connect()
    backend.find_crashed()
    (run,) = backend.list_flow_runs(RunFilter(), Page(limit=10))
    future = DistributedFuture[int](program.run("retry", run.id.hex()).last)
    with program.start("serve") as server:
        assert future.result(timeout=PATIENCE) == 42
        server.send(signal.SIGTERM)
        assert server.end().status == 0
    assert bodies(program) == ["21"]


@pytest.mark.behaviour(182)
def test_a_flow_waits_for_what_it_asked_for() -> None:
    @flow
    def nightly() -> int:
        return double.delay(double(1)).result(timeout=PATIENCE)

    with serving(double):
        assert nightly() == 4


@pytest.mark.behaviour(187)
def test_who_serves_ends_what_it_has_begun_when_it_is_told_to_stop(program: Program) -> None:
    (program.folder / "halt").touch()
    future = DistributedFuture[int](program.run("delay", "21").last)
    with program.start("task", "serve", "tasks.py:halting", tool="dalsegno") as server:
        server.until("halts")
        server.send(signal.SIGTERM)
        (program.folder / "halt").unlink()
        assert server.end().status == 0
    assert future.result(timeout=PATIENCE) == 42
    assert bodies(program) == ["21"]


@pytest.mark.slow
@pytest.mark.behaviour(188)
@both
@pytest.mark.usefixtures("records")
def test_of_a_thousand_runs_none_is_lost_and_none_done_twice(program: Program) -> None:
    with program.start("serve") as one, program.start("serve") as two:
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location("tasks", program.path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        futures = module.halting.map(list(range(1000)), deferred=True)
        assert futures.result(timeout=110) == [2 * number for number in range(1000)]
        for each in (one, two):
            each.send(signal.SIGTERM)
            assert each.end().status == 0
    assert Counter(bodies(program)) == Counter(map(str, range(1000)))
