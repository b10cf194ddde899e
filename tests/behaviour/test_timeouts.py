"""Bodies that take longer than they may."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from tests.behaviour.bodies import PATIENCE, Gate, give

from dalsegno import flow, task
from dalsegno.exceptions import FlowRunTimeoutError, TaskRunTimeoutError

SHORT = 0.02


def block() -> None:
    """Block for longer than any test may take."""
    threading.Event().wait(PATIENCE)


async def block_in_a_coroutine() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)


@pytest.mark.behaviour(62)
@pytest.mark.parametrize(("decorate", "error"), [(flow, FlowRunTimeoutError), (task, TaskRunTimeoutError)])
def test_a_body_that_takes_too_long_is_timed_out(decorate: Any, error: type[Exception]) -> None:
    slow = decorate(timeout_seconds=SHORT)(block)
    with pytest.raises(error) as caught:
        slow()
    assert isinstance(caught.value, TimeoutError)
    state = slow(return_state=True)
    assert (state.name, state.type.value) == ("TimedOut", "FAILED")


@pytest.mark.behaviour(62)
@pytest.mark.parametrize("seconds", [0, None])
@pytest.mark.parametrize("decorate", [flow, task])
def test_no_time_is_no_timeout(decorate: Any, seconds: float | None) -> None:
    assert decorate(timeout_seconds=seconds)(lambda: 1)() == 1


@pytest.mark.behaviour(63)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_coroutine_ends_at_what_it_awaits(decorate: Any) -> None:
    cleaned: list[str] = []

    async def slow() -> None:
        try:
            await block_in_a_coroutine()
        finally:
            cleaned.append("yes")

    assert asyncio.run(decorate(timeout_seconds=SHORT)(slow)(return_state=True)).name == "TimedOut"
    assert cleaned == ["yes"]


@pytest.mark.behaviour(63)
def test_a_worker_thread_that_cannot_be_stopped_does_not_hold_up_the_run(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    left: list[str] = []

    @task(timeout_seconds=SHORT)
    def slow() -> None:
        gate.pass_through()
        left.append("the gate")

    @flow
    def orders() -> str:
        future = slow.submit()
        future.wait()
        return future.state.name

    with caplog.at_level(logging.WARNING):
        assert orders() == "TimedOut"
    assert left == []
    assert "cannot be stopped" in caplog.text
    gate.open()


@pytest.mark.behaviour(64)
def test_a_task_that_is_timed_out_leaves_its_flow_to_go_on() -> None:
    @flow
    def orders() -> int:
        assert task(timeout_seconds=SHORT)(block)(return_state=True).name == "TimedOut"
        return give(2)

    assert orders() == 2


@pytest.mark.behaviour(64)
def test_the_timeout_of_a_nested_flow_is_its_own() -> None:
    @flow(timeout_seconds=SHORT)
    def inner() -> None:
        block()

    @flow(timeout_seconds=PATIENCE)
    def orders() -> str:
        return inner(return_state=True).name

    state = orders(return_state=True)
    assert state.is_completed()
    assert state.result() == "TimedOut"


@pytest.mark.behaviour(64)
def test_a_flow_that_is_timed_out_does_not_wait_for_what_it_submitted() -> None:
    may_end = threading.Event()
    futures: list[Any] = []

    @task
    def held() -> None:
        may_end.wait(PATIENCE)

    @flow(timeout_seconds=SHORT)
    def orders() -> None:
        futures.append(held.submit())
        futures[0].result()

    try:
        assert orders(return_state=True).name == "TimedOut"
        assert futures[0].state.name == "Cancelled"
    finally:
        may_end.set()


@pytest.mark.behaviour(64)
def test_its_clock_begins_with_the_body() -> None:
    @task
    async def slow() -> int:
        await asyncio.sleep(0.1)
        return 1

    @flow(timeout_seconds=0.09)
    def inner(number: int) -> int:
        return number

    @flow
    def orders() -> int:
        return inner(slow.submit())

    assert orders() == 1


@pytest.mark.behaviour(65)
def test_a_timeout_error_of_the_body_itself_is_a_timeout_too() -> None:
    @task
    def load() -> None:
        raise TimeoutError("no answer")

    state = load(return_state=True)
    assert state.name == "TimedOut"
    assert state.message == "Task run failed due to timeout: TimeoutError('no answer')"
    with pytest.raises(TimeoutError, match="no answer"):
        load()
