"""Generator functions as tasks and flows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.behaviour.bodies import Histories, OutOfStock

from dalsegno import flow, task
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
    def orders() -> Any:
        return count.submit().result(), count_async.submit().result()

    assert orders() == ([1, 2], [3])


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
