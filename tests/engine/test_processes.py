"""Tasks in other processes of this machine."""

from __future__ import annotations

import os
import time

import pytest

from dalsegno import flow, get_run_logger, runtime, tags, task
from dalsegno.exceptions import CrashedRun
from dalsegno.task_runners import ProcessPoolTaskRunner
from dalsegno.testing import Harness


class Box:
    def __init__(self, value: int) -> None:
        self.value = value


@task
def double(number: int) -> int:
    return 2 * number


@task(log_prints=True)
def work(number: int, before: Box | None = None) -> tuple[int, Box, object, list[str]]:
    print("printed", number)
    get_run_logger().info("logged %d", number)
    start = 0 if before is None else before.value
    return os.getpid(), Box(start + double(number)), runtime.task_run.id, sorted(runtime.task_run.tags)


@task
def fail() -> None:
    raise KeyError("colour")


@task
def die() -> None:
    os._exit(3)


@task(timeout_seconds=0.3)
def dawdle() -> None:
    time.sleep(30)


@task
async def coroutine(number: int) -> tuple[int, int]:
    return os.getpid(), number


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def pooled() -> dict[str, object]:
    with tags("blue"):
        first = work.submit(1)
    second = work.submit(2, before=first.result()[1])
    return {
        "first": first.result(),
        "second": second.result(),
        "failed": fail.submit().result(raise_on_failure=False),
        "late": dawdle.submit().result(raise_on_failure=False),
        "async": coroutine.submit(5).result(),
        "here": os.getpid(),
        "ids": [str(first.task_run_id), str(second.task_run_id)],
    }


def test_bodies_run_in_other_processes_with_their_context(dalsegno_test_harness: Harness) -> None:
    seen = pooled()
    first, second, here = seen["first"], seen["second"], seen["here"]
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert here not in (first[0], second[0])
    assert (first[1].value, second[1].value) == (2, 6)
    assert isinstance(second[1], Box)
    assert [first[2], second[2]] == seen["ids"]
    assert (first[3], second[3]) == (["blue"], [])
    assert seen["async"] != (here, 5)
    dalsegno_test_harness.assert_ran("double", times=2)
    lines = {line.message for line in dalsegno_test_harness.logs()}
    assert {"printed 1", "logged 1", "printed 2", "logged 2"} <= lines


def test_errors_and_timeouts_come_back_from_other_processes(dalsegno_test_harness: Harness) -> None:
    seen = pooled()
    assert isinstance(seen["failed"], KeyError)
    assert "colour" in str(seen["failed"])
    assert isinstance(seen["late"], TimeoutError)
    dalsegno_test_harness.assert_state("dawdle", "TimedOut")


def test_a_process_that_dies_leaves_a_crashed_run_and_a_pool_that_works(dalsegno_test_harness: Harness) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def dying() -> int:
        with pytest.raises(CrashedRun, match="ended abruptly"):
            die.submit().result()
        return double.submit(4).result()

    assert dying() == 8
    dalsegno_test_harness.assert_state("die", "Crashed")


@task
def two_beats() -> int:
    time.sleep(0.5)
    return double(3)


def test_a_body_that_outlives_a_heartbeat_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_JOURNAL_HEARTBEAT_INTERVAL", "0.1")

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def beating() -> int:
        return two_beats.submit().result()

    assert beating() == 6
