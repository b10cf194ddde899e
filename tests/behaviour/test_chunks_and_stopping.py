"""Maps in chunks, and submitted work that is broken off."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
from tests.behaviour.bodies import PATIENCE, Gate, OutOfStock, give

from dalsegno import flow, task
from dalsegno.exceptions import CancelledRun
from dalsegno.futures import wait
from dalsegno.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner


@task
def place(number: int) -> tuple[int, int]:
    """Fail at the last of five; else tell the process and thread."""
    if number == 4:
        raise OutOfStock("none left")
    return os.getpid(), threading.get_ident()


@pytest.mark.behaviour(135)
@pytest.mark.parametrize("runner", [ThreadPoolTaskRunner(max_workers=2), ProcessPoolTaskRunner(max_workers=2)])
def test_a_map_in_chunks_has_a_run_for_each_item(runner: TaskRunner) -> None:
    @flow(task_runner=runner)
    def orders() -> Any:
        return place.map(range(5), chunk_size=2).result(raise_on_failure=False)

    first, second, third, fourth, failed = orders()
    assert (first, third) == (second, fourth)
    assert isinstance(failed, OutOfStock)


@pytest.mark.behaviour(135)
@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (2.5, TypeError)])
def test_a_chunk_size_is_a_whole_number_from_one_up(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="chunk_size"):
        flow(lambda: give.map([1], chunk_size=size))()


@pytest.mark.behaviour(131)
def test_cancel_all_ends_what_runs_and_what_is_queued_and_the_runner_goes_on() -> None:
    gate = Gate()
    runner = ThreadPoolTaskRunner(max_workers=1)

    @task
    def hold() -> None:
        gate.pass_through()

    @flow(task_runner=runner)
    def orders() -> tuple[set[str], Any]:
        futures = [hold.submit(), *give.map(range(3))]
        gate.wait_until_entered()
        runner.cancel_all()
        assert not wait(futures, timeout=PATIENCE).not_done
        with pytest.raises(CancelledRun):
            futures[-1].result()
        after = give.submit(5).result()
        gate.open()
        return {future.state.name for future in futures}, after

    assert orders() == ({"Cancelled"}, 5)


@task
def sleep_long() -> None:
    time.sleep(60)


@pytest.mark.behaviour(132)
def test_the_end_of_a_flow_ends_its_bodies_in_other_processes() -> None:
    @flow(timeout_seconds=0.5, task_runner=ProcessPoolTaskRunner(max_workers=1))
    def orders() -> None:
        sleep_long.submit().result()

    start = time.monotonic()
    assert orders(return_state=True).name == "TimedOut"
    assert time.monotonic() - start < PATIENCE
