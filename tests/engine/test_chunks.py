"""`map(..., chunk_size=n)`: several items handed over as one unit, each with a run, a record and a future of its own"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dalsegno import flatten, flow, get_run_logger, task, unmapped
from dalsegno._engine import workers
from dalsegno.exceptions import CrashedRun, SerializationError, UnfinishedRun
from dalsegno.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from dalsegno.testing import Harness

PATIENCE = 20.0


def both() -> Any:
    return pytest.mark.parametrize(
        "runner",
        [
            pytest.param(ThreadPoolTaskRunner(max_workers=2), id="threads"),
            pytest.param(ProcessPoolTaskRunner(max_workers=2), id="processes"),
        ],
    )


@task
def where(number: int, offset: int = 0) -> tuple[int, int, int]:
    return number + offset, os.getpid(), threading.get_ident()


@task
def half(number: int) -> float:
    get_run_logger().info("halving %d", number)
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number / 2


@task
def die_at(number: int, fatal: int) -> int:
    if number == fatal:
        os._exit(3)
    return number


@task
def same(value: Any) -> Any:
    return value


@task
def one(number: int) -> int:
    return number


@both()
def test_the_items_of_a_chunk_share_a_thread_or_process_and_have_runs_of_their_own(
    runner: TaskRunner, dalsegno_test_harness: Harness
) -> None:
    @flow(task_runner=runner)
    def fan_out() -> list[tuple[int, int, int]]:
        return where.map(range(10), unmapped(100), chunk_size=4).result()

    found = fan_out()
    assert [number for number, _, _ in found] == list(range(100, 110))
    for chunk in (found[:4], found[4:8], found[8:]):
        assert len({(pid, thread) for _, pid, thread in chunk}) == 1
    runs = dalsegno_test_harness.task_runs("where")
    assert len({run.id for run in runs}) == 10
    assert {(run.state.name, run.run_count) for run in runs} == {("Completed", 1)}


@both()
def test_each_item_fails_and_is_retried_by_itself(runner: TaskRunner, dalsegno_test_harness: Harness) -> None:
    @flow(task_runner=runner)
    def fan_out() -> list[Any]:
        retried: Any = half.with_options(retries=2)
        return retried.map(range(6), chunk_size=6).result(raise_on_failure=False)

    first, second, *_, last = fan_out()
    assert first == 0.0
    assert isinstance(second, ValueError)
    assert str(last) == "5 is odd"
    runs = dalsegno_test_harness.task_runs("half")
    assert sorted((run.state.name, run.run_count) for run in runs) == [("Completed", 1)] * 3 + [("Failed", 3)] * 3
    lines = [line.message for line in dalsegno_test_harness.logs() if line.message.startswith("halving")]
    assert len(lines) == 3 + 9


def test_a_chunk_is_one_message_to_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    pack = workers.remote.pack_calls

    def counted(steps: Any) -> bytes:
        sizes.append(len(steps))
        return pack(steps)

    monkeypatch.setattr(workers.remote, "pack_calls", counted)

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def fan_out() -> list[int]:
        return one.map(range(10), chunk_size=4).result()

    assert fan_out() == list(range(10))
    assert sizes == [4, 4, 2]


def test_what_a_dying_process_had_done_stays_done_and_the_rest_of_its_chunk_is_crashed() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def fan_out() -> list[Any]:
        futures = die_at.map(range(4), unmapped(2), chunk_size=4)
        return [*futures.result(raise_on_failure=False), one.submit(7).result()]

    first, second, third, fourth, after = fan_out()
    assert (first, second, after) == (0, 1, 7)
    assert isinstance(third, CrashedRun)
    assert "exit code 3" in str(third)
    assert isinstance(fourth, CrashedRun)


def test_one_item_that_cannot_be_sent_does_not_keep_the_others_from_it() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def fan_out() -> list[Any]:
        return same.map([1, threading.Lock(), 3], chunk_size=3).result(raise_on_failure=False)

    first, second, third = fan_out()
    assert (first, third) == (1, 3)
    assert isinstance(second, SerializationError)


class Unreadable:
    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_one_item_that_cannot_be_read_there_does_not_keep_the_others_from_it() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def fan_out() -> list[Any]:
        return same.map([1, Unreadable(), 3], chunk_size=3).result(raise_on_failure=False)

    first, second, third = fan_out()
    assert (first, third) == (1, 3)
    assert "no number" in str(second)


@both()
def test_a_chunk_waits_for_the_inputs_of_its_items_and_each_has_its_own(runner: TaskRunner) -> None:
    @flow(task_runner=runner)
    def fan_out() -> list[Any]:
        halves = half.map(range(4), chunk_size=2)
        return one.map(halves, chunk_size=4)  # pyright: ignore[reportReturnType]

    @flow
    def around() -> list[Any]:
        return fan_out(return_state=True).data  # pyright: ignore[reportCallIssue, reportUnknownVariableType]

    states = around()
    assert [state.name for state in states] == ["Completed", "NotReady", "Completed", "NotReady"]
    assert states[2].result() == 1.0
    with pytest.raises(UnfinishedRun):
        states[1].result()


def test_chunks_go_with_a_bound_with_flatten_and_with_states() -> None:
    taken: list[int] = []
    lock = threading.Lock()
    ahead: list[int] = []

    @task
    def work(number: int) -> int:
        with lock:
            ahead.append(len(taken) - number)
        return number

    def numbers() -> Iterator[int]:
        for number in range(11):
            taken.append(number)
            yield number

    @flow
    def fan_out() -> tuple[list[int], list[int], set[str]]:
        bounded = work.map(numbers(), max_in_flight=3, chunk_size=100).result()
        flat = work.map(flatten([[1, 2], [3]]), chunk_size=2).result()
        states: Any = work.map(range(3), chunk_size=2, return_state=True)
        return bounded, flat, {state.name for state in states}

    assert fan_out() == (list(range(11)), [1, 2, 3], {"Completed"})
    assert taken == list(range(11))
    assert max(ahead[:11]) <= 4  # three under way, and the next one, which waits for room


def test_coroutines_of_a_chunk_run_side_by_side() -> None:
    @task
    async def meet(number: int, everyone: asyncio.Barrier) -> int:
        await everyone.wait()
        return number

    @flow
    def fan_out() -> list[int]:
        return meet.map(range(3), unmapped(asyncio.Barrier(3)), chunk_size=3).result(timeout=PATIENCE)

    assert fan_out() == [0, 1, 2]


def test_a_body_that_outlives_its_timeout_does_not_hold_up_its_chunk() -> None:
    go_on = threading.Event()

    @task(timeout_seconds=0.05)
    def stuck(number: int) -> int:
        if number == 0:
            try:
                go_on.wait(PATIENCE)
            finally:
                go_on.wait(PATIENCE)
        return number

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def fan_out() -> list[Any]:
        futures = stuck.map(range(3), chunk_size=3)
        found = futures.result(raise_on_failure=False, timeout=PATIENCE)
        go_on.set()
        return found

    first, second, third = fan_out()
    assert isinstance(first, TimeoutError)
    assert (second, third) == (1, 2)


def test_on_a_retry_of_the_flow_only_what_had_not_completed_runs_again(dalsegno_test_harness: Harness) -> None:
    broken = True
    calls: list[int] = []

    @task
    def load(number: int) -> int:
        calls.append(number)
        if broken and number == 2:
            raise ValueError("not yet")
        return number

    @flow(retries=1)
    def fan_out() -> list[int]:
        nonlocal broken
        try:
            return load.map(range(5), chunk_size=5).result()
        finally:
            broken = False

    assert fan_out() == list(range(5))
    assert calls == [0, 1, 2, 3, 4, 2]


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_chunk_has_a_whole_number_of_items(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="chunk_size"):
        flow(lambda: one.map([1], chunk_size=size))()
