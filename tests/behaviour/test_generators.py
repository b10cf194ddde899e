"""Generator functions as tasks and flows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.behaviour.bodies import PATIENCE, Histories, OutOfStock

from dalsegno import flow, task
from dalsegno.exceptions import TaskRunTimeoutError
from dalsegno.runtime import flow_run, task_run


@pytest.mark.behaviour(98)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_generator_runs_as_it_is_consumed_and_ends_when_it_is_drained(decorate: Any) -> None:
    order: list[str] = []
    seen = Histories()

    @decorate(on_completion=[seen])
    def count() -> Iterator[int]:
        order.append("one")
        yield 1
        order.append("two")
        yield 2

    stream = count()
    assert order == []
    assert next(stream) == 1
    assert order == ["one"]
    assert seen.names == []
    assert list(stream) == [2]
    assert seen.names == [["Pending", "Running", "Completed"]]


@pytest.mark.behaviour(98)
def test_async_generators_too() -> None:
    seen = Histories()

    @task(on_completion=[seen])
    async def count() -> AsyncIterator[int]:
        yield 1
        yield 2

    @flow
    async def orders() -> AsyncIterator[int]:
        async for number in count():
            yield 10 * number

    async def consume() -> list[int]:
        return [number async for number in orders()]

    assert asyncio.run(consume()) == [10, 20]
    assert len(seen.names) == 1


@pytest.mark.behaviour(98)
@pytest.mark.parametrize("decorate", [flow, task])
def test_yield_from_gets_the_return_value(decorate: Any) -> None:
    @decorate
    def count() -> Any:
        yield 1
        return "end"

    def consume() -> Any:
        found = yield from count()
        assert found == "end"

    assert list(consume()) == [1]


@pytest.mark.behaviour(98)
@pytest.mark.parametrize("decorate", [flow, task])
def test_its_errors_come_out_and_fail_the_run(decorate: Any) -> None:
    seen = Histories()

    @decorate(on_failure=[seen])
    def count() -> Iterator[int]:
        yield 1
        raise OutOfStock("no tea")

    stream = count()
    assert next(stream) == 1
    with pytest.raises(OutOfStock, match="no tea"):
        next(stream)
    assert seen.names == [["Pending", "Running", "Failed"]]


@pytest.mark.behaviour(98)
@pytest.mark.parametrize("decorate", [flow, task])
def test_closing_early_is_fine(decorate: Any) -> None:
    seen, cleaned = Histories(), []

    @decorate(on_completion=[seen], on_failure=[seen], on_crashed=[seen])
    def count() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            cleaned.append("yes")

    stream = count()
    assert next(stream) == 1
    stream.close()
    assert cleaned == ["yes"]
    assert seen.names == [["Pending", "Running", "Completed"]]


@pytest.mark.behaviour(98)
@pytest.mark.parametrize("decorate", [flow, task])
def test_there_is_no_state_to_return(decorate: Any) -> None:
    @decorate
    def count() -> Iterator[int]:
        yield 1

    with pytest.raises(ValueError, match="generator"):
        next(count(return_state=True))


@pytest.mark.behaviour(98)
def test_submitted_it_is_drained_into_a_list() -> None:
    @task
    def count() -> Iterator[int]:
        yield 1
        yield 2

    @task
    async def count_async() -> AsyncIterator[int]:
        yield 3

    @flow
    def inner(number: int) -> Iterator[int]:
        yield from range(number)

    @flow
    def orders() -> Any:
        return count.submit().result(), count_async.submit().result(), inner.submit(2).result()

    assert orders() == ([1, 2], [3], [0, 1])


@pytest.mark.behaviour(98)
def test_its_code_stands_in_its_run_and_the_consumer_does_not() -> None:
    @task
    def count() -> Iterator[Any]:
        yield task_run.task_name
        yield task_run.task_name

    @flow
    def orders() -> Any:
        return [(inside, task_run.id, flow_run.id is None) for inside in count()]

    assert orders() == [("count", None, False)] * 2


@pytest.mark.behaviour(98)
def test_its_cleaning_up_stands_in_its_run_too() -> None:
    seen: list[Any] = []

    @task(name="count")
    def count() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(task_run.task_name)

    stream = count()
    next(stream)
    stream.close()
    assert seen == ["count"]


@pytest.mark.behaviour(98)
def test_what_is_thrown_into_it_arrives_in_the_body() -> None:
    @task
    def count() -> Any:
        try:
            yield 1
        except OutOfStock:
            yield "caught"

    stream = count()
    next(stream)
    assert stream.throw(OutOfStock) == "caught"


@pytest.mark.behaviour(98, 100)
def test_its_prints_are_logged_and_the_consumers_are_not(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")

    @task(log_prints=True)
    def count() -> Iterator[int]:
        print("inside")
        yield 1

    for _ in count():
        print("outside")
    assert "inside" in caplog.messages
    assert "outside" not in caplog.messages
    assert "outside" in capsys.readouterr().out.splitlines()


@pytest.mark.behaviour(62, 98)
def test_its_own_time_counts_and_the_consumers_does_not() -> None:
    @task(timeout_seconds=0.05)
    def count() -> Iterator[int]:
        yield 1
        threading.Event().wait(PATIENCE)
        yield 2

    @task(timeout_seconds=0.05)
    async def count_async() -> AsyncIterator[int]:
        yield 1
        await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)
        yield 2

    async def consume() -> None:
        async for _ in count_async():
            pass

    stream = count()
    next(stream)
    threading.Event().wait(0.06)
    with pytest.raises(TaskRunTimeoutError, match="0.05"):
        next(stream)
    with pytest.raises(TaskRunTimeoutError, match="0.05"):
        asyncio.run(consume())


@pytest.mark.behaviour(98)
def test_objects_whose_call_is_a_generator_too() -> None:
    class Counter:
        async def __call__(self, number: int) -> AsyncIterator[int]:
            for each in range(number):
                yield each

    async def consume() -> list[int]:
        return [number async for number in task(Counter())(2)]

    assert asyncio.run(consume()) == [0, 1]


@pytest.mark.behaviour(99)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_retry_begins_anew_and_yields_again(decorate: Any) -> None:
    tries: list[int] = []

    @decorate(retries=1)
    def count() -> Iterator[int]:
        tries.append(1)
        yield 1
        yield 2
        if len(tries) == 1:
            raise OutOfStock

    assert list(count()) == [1, 2, 1, 2]
