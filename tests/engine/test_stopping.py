"""Submitted tasks that are broken off, by `cancel_all` or by the end of their flow: threads, coroutines, processes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dalsegno import Task, flow, task
from dalsegno._engine import workers
from dalsegno.exceptions import CancelledRun, FlowRunTimeoutError
from dalsegno.futures import wait
from dalsegno.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from dalsegno.testing import Harness

PATIENCE = 25.0
LONG = 60.0
"""Seconds that bodies would take if they were not broken off."""


def touch(folder: str, name: str) -> None:
    Path(folder, f"{name}-{os.getpid()}").touch()


def until(folder: Path, name: str, count: int = 1) -> list[int]:
    """Wait until bodies have left files of that name; give the ids of their processes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [int(path.name.rpartition("-")[2]) for path in folder.glob(f"{name}-*")]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"no {name}"
        threading.Event().wait(0.01)


@task
def double(number: int) -> int:
    return 2 * number


@task
def nested(folder: str) -> None:
    touch(folder, "began")
    time.sleep(LONG)


@task
def linger(folder: str) -> str:
    touch(folder, "began")
    try:
        time.sleep(LONG)
    finally:
        touch(folder, "unwound")
    touch(folder, "finished")
    return "finished"


@task
def linger_in_a_call(folder: str) -> None:
    nested(folder)


@task
def deaf(folder: str) -> None:
    touch(folder, "began")
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            time.sleep(LONG)
        except BaseException:
            continue


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def seconds_to_end(body: Task[..., Any], folder: Path) -> float:
    """Run a flow whose time is up as soon as a body of it runs in another process; give how long it took to end."""
    moments: list[float] = []

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def too_long() -> None:
        body.submit(str(folder))
        double.submit(1).result()
        until(folder, "began")
        moments.append(time.monotonic())
        raise FlowRunTimeoutError("Now.")  # what the timer raises

    assert too_long(return_state=True).name == "TimedOut"
    return time.monotonic() - moments[0]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes all the time that they need to unwind, on a busy machine too."""
    monkeypatch.setattr(workers, "_GRACE", PATIENCE)


@pytest.mark.usefixtures("patient")
def test_a_flow_timeout_ends_the_bodies_in_other_processes(dalsegno_test_harness: Harness, tmp_path: Path) -> None:
    assert seconds_to_end(linger, tmp_path) < LONG / 2
    (pid,) = until(tmp_path, "began")
    assert is_gone(pid)
    assert until(tmp_path, "unwound") == [pid]
    dalsegno_test_harness.assert_state("linger", "Cancelled")
    dalsegno_test_harness.assert_state("double", "Completed")


@pytest.mark.usefixtures("patient")
def test_what_an_ended_body_called_is_recorded_as_ended(dalsegno_test_harness: Harness, tmp_path: Path) -> None:
    assert seconds_to_end(linger_in_a_call, tmp_path) < LONG / 2
    dalsegno_test_harness.assert_state("nested", "Cancelled")
    dalsegno_test_harness.assert_state("linger_in_a_call", "Cancelled")


def test_a_body_that_refuses_to_end_is_killed(dalsegno_test_harness: Harness, tmp_path: Path) -> None:
    assert seconds_to_end(deaf, tmp_path) < LONG / 2
    assert is_gone(until(tmp_path, "began")[0])
    dalsegno_test_harness.assert_state("deaf", "Cancelled")


def pools() -> list[Any]:
    return [
        pytest.param(ThreadPoolTaskRunner(max_workers=1), id="threads"),
        pytest.param(ProcessPoolTaskRunner(max_workers=1), id="processes"),
    ]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("runner", pools())
def test_cancel_all_ends_what_runs_what_is_queued_and_what_waits_and_the_runner_goes_on(
    runner: TaskRunner, dalsegno_test_harness: Harness, tmp_path: Path
) -> None:
    seconds: list[float] = []

    @flow(task_runner=runner)
    def search() -> int:
        running = linger.submit(str(tmp_path))
        queued = double.map(range(5))
        parked = double.submit(queued[0])  # pyright: ignore[reportArgumentType]
        until(tmp_path, "began")
        start = time.monotonic()
        runner.cancel_all()
        assert not wait([running, *queued, parked], timeout=PATIENCE).not_done
        seconds.append(time.monotonic() - start)
        for future in [running, *queued, parked]:
            assert future.state.name == "Cancelled"
            with pytest.raises(CancelledRun):
                future.result()
        return double.submit(21).result()

    assert search() == 42
    assert seconds[0] < LONG / 2
    states = Counter(run.state.name for run in dalsegno_test_harness.task_runs())
    assert states == {"Cancelled": 7, "Completed": 1}
    if isinstance(runner, ProcessPoolTaskRunner):
        assert is_gone(until(tmp_path, "unwound")[0])
    assert not list(tmp_path.glob("finished-*"))


def test_cancel_all_interrupts_a_thread_and_calls_the_hooks_of_the_task() -> None:
    began, told, hooked = threading.Event(), threading.Event(), threading.Event()
    hooks: list[str] = []

    def note(_task: Any, _run: Any, state: Any) -> None:
        hooks.append(state.name)
        hooked.set()

    @task(on_cancellation=[note])
    def spin() -> None:
        began.set()
        try:
            while True:
                time.sleep(0.001)
        finally:
            told.set()

    runner = ThreadPoolTaskRunner()

    @flow(task_runner=runner)
    def search() -> Any:
        future = spin.submit()
        assert began.wait(PATIENCE)
        runner.cancel_all()
        future.wait()
        return future.state.name

    assert search() == "Cancelled"
    assert told.wait(PATIENCE)
    assert hooked.wait(PATIENCE)
    assert hooks == ["Cancelled"]


def test_a_thread_that_cannot_be_interrupted_is_left_behind_and_changes_nothing_later(
    dalsegno_test_harness: Harness,
) -> None:
    began, go_on, back = threading.Event(), threading.Event(), threading.Event()

    @task(on_completion=[lambda *_: back.set()])
    def stuck() -> str:
        began.set()
        try:
            go_on.wait()
        except BaseException:
            return "took it for its own"
        finally:
            back.set()
        return "went on"

    runner = ThreadPoolTaskRunner(max_workers=1)

    @flow(task_runner=runner)
    def search() -> tuple[str, int, str]:
        future = stuck.submit()
        assert began.wait(PATIENCE)
        runner.cancel_all()
        future.wait()
        before = future.state.name
        value = double.submit(2).result()  # the place of the stuck one is free
        go_on.set()
        assert back.wait(PATIENCE)
        return before, value, future.state.name

    assert search() == ("Cancelled", 4, "Cancelled")
    dalsegno_test_harness.assert_state("stuck", "Cancelled")


@pytest.mark.parametrize("runner", [ThreadPoolTaskRunner(), ThreadPoolTaskRunner(max_workers=2)])
def test_cancel_all_cancels_coroutines(runner: ThreadPoolTaskRunner, dalsegno_test_harness: Harness) -> None:
    began = threading.Semaphore(0)

    @task
    async def wait_long() -> None:
        began.release()
        await asyncio.sleep(LONG)

    @flow(task_runner=runner)
    def search() -> set[str]:
        futures = [wait_long.submit() for _ in range(4)]
        for _ in range(2):
            assert began.acquire(timeout=PATIENCE)
        runner.cancel_all()
        assert not wait(futures, timeout=PATIENCE).not_done
        return {future.state.name for future in futures}

    assert search() == {"Cancelled"}
    assert {run.state.name for run in dalsegno_test_harness.task_runs()} == {"Cancelled"}


def test_a_task_that_waits_for_its_retry_is_cancelled(dalsegno_test_harness: Harness) -> None:
    failed = threading.Event()
    calls: list[int] = []

    def note(_task: Any, _old: Any, new: Any) -> None:
        if new.name == "AwaitingRetry":
            failed.set()

    @task(retries=1, retry_delay_seconds=LONG, state_handlers=[note])
    def flaky() -> None:
        calls.append(1)
        raise ValueError("not yet")

    runner = ThreadPoolTaskRunner()

    @flow(task_runner=runner)
    def search() -> str:
        future = flaky.submit()
        assert failed.wait(PATIENCE)
        runner.cancel_all()
        future.wait()
        return future.state.name

    start = time.monotonic()
    assert search() == "Cancelled"
    assert time.monotonic() - start < LONG / 2
    assert calls == [1]


def test_cancel_all_of_a_runner_that_is_used_by_itself_leaves_other_runners_alone() -> None:
    other_goes_on = threading.Event()

    @task
    def patient() -> str:
        assert other_goes_on.wait(PATIENCE)
        return "done"

    @flow
    def search() -> tuple[str, str]:
        other = patient.submit()
        with ThreadPoolTaskRunner(max_workers=1) as runner:
            own = [runner.submit(patient, {}) for _ in range(3)]
            runner.cancel_all()
            assert not wait(own, timeout=PATIENCE).not_done
            (name,) = {future.state.name for future in own}
        other_goes_on.set()
        return name, other.result()

    assert search() == ("Cancelled", "done")


def test_cancel_all_without_anything_to_cancel_does_nothing() -> None:
    ThreadPoolTaskRunner().cancel_all()
    ProcessPoolTaskRunner().cancel_all()
