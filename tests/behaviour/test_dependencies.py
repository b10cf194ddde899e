"""Runs that depend on others: futures and States as arguments and in wait_for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import BaseModel
from tests.behaviour.bodies import Gate, OutOfStock, fail, give, total

from dalsegno import State, allow_failure, flow, opaque, quote, task
from dalsegno.exceptions import UnfinishedRun, UpstreamFailed
from dalsegno.futures import Future
from dalsegno.states import Completed, Failed


@task
def kind_of(value: Any) -> str:
    return type(value).__name__


@dataclasses.dataclass
class Parcel:
    """A dataclass with room for a future."""

    content: Any


class Letter(BaseModel):
    """A model with room for a future."""

    content: Any


@pytest.mark.behaviour(31)
@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda x: x, lambda x: x),
        (lambda x: [1, [x]], lambda x: x[1][0]),
        (lambda x: (x,), lambda x: x[0]),
        (lambda x: {x}, lambda x: next(iter(x))),
        (lambda x: {"a": {"b": x}}, lambda x: x["a"]["b"]),
        (Parcel, lambda x: x.content),
        (lambda x: Letter(content=[x]), lambda x: x.content[0]),
    ],
    ids=["itself", "list", "tuple", "set", "dict", "dataclass", "model"],
)
def test_futures_and_states_become_their_results_wherever_they_are(wrap: Any, unwrap: Any) -> None:
    @task
    def receive(value: Any) -> Any:
        return unwrap(value)

    @flow
    def orders() -> tuple[Any, Any]:
        return receive(wrap(give.submit("tea"))), receive.submit(wrap(Completed(data="salt"))).result()

    assert orders() == ("tea", "salt")


@pytest.mark.behaviour(31)
def test_the_callers_collection_keeps_its_futures() -> None:
    kept: list[Any] = []

    @flow
    def orders() -> int:
        kept.append(give.submit(2))
        return task(sum)(kept)

    assert orders() == 2
    assert isinstance(kept[0], Future)


@pytest.mark.behaviour(32)
def test_what_depends_on_a_failure_never_starts() -> None:
    happened: list[str] = []

    @task(
        name="send",
        retries=2,
        on_running=[lambda *_: happened.append("running")],
        on_failure=[lambda *_: happened.append("failure")],
        on_completion=[lambda *_: happened.append("completion")],
    )
    def send(value: Any) -> None:
        happened.append("body")

    @flow
    def orders() -> None:
        upstream = fail.with_options(task_run_name="count stock").submit()
        future = send.submit(upstream)
        state = future.state if future.wait() is None else None
        assert state is not None
        assert (state.type.value, state.name) == ("PENDING", "NotReady")
        assert not state.is_final()
        assert "count stock" in state.message
        with pytest.raises(UnfinishedRun, match="count stock"):
            future.result()

    orders()
    assert happened == []


@pytest.mark.behaviour(32)
def test_not_being_ready_goes_on_down_the_chain() -> None:
    @flow
    def orders() -> list[str]:
        first = give.submit(fail.submit())
        second = give.submit(first)
        return [give.submit(second, return_state=True).name, second.state.name]

    assert orders() == ["NotReady", "NotReady"]


@pytest.mark.behaviour(33)
def test_a_direct_call_that_could_not_start_says_why() -> None:
    @flow
    def orders() -> str:
        upstream = fail.with_options(task_run_name="count stock").submit()
        with pytest.raises(UpstreamFailed, match="count stock"):
            give(upstream)
        return give(upstream, return_state=True).name

    assert orders() == "NotReady"


@pytest.mark.behaviour(34)
def test_wait_for_is_a_condition_too() -> None:
    @flow
    def inner() -> None: ...

    @flow
    def orders() -> list[str]:
        failed = [fail.submit()]
        return [
            give.submit(1, wait_for=failed, return_state=True).name,
            give(1, wait_for=failed, return_state=True).name,
            inner(wait_for=failed, return_state=True).name,
            *(state.name for state in give.map([1, 2], wait_for=failed, return_state=True)),
        ]

    assert orders() == ["NotReady"] * 5


@pytest.mark.behaviour(34)
def test_wait_for_waits() -> None:
    gate = Gate()
    order: list[str] = []

    @task
    def first() -> None:
        gate.pass_through()
        order.append("first")

    @task
    def second() -> None:
        order.append("second")

    @flow
    def orders() -> None:
        upstream = first.submit()
        future = second.submit(wait_for=[upstream])
        gate.wait_until_entered()
        assert future.state.is_pending()
        gate.open()

    orders()
    assert order == ["first", "second"]


@pytest.mark.behaviour(35)
def test_a_failure_that_is_allowed_arrives_as_the_exception() -> None:
    @flow
    def orders() -> Any:
        upstream = fail.submit()
        return (
            kind_of(allow_failure(upstream)),
            kind_of.submit(allow_failure([upstream])).result(),
            task(lambda pair: kind_of(pair[1]))(allow_failure((1, upstream))),
            kind_of(allow_failure(give.submit(1))),
        )

    assert orders() == ("OutOfStock", "list", "OutOfStock", "int")


@pytest.mark.behaviour(35)
def test_in_wait_for_it_only_drops_the_condition() -> None:
    @flow
    def orders() -> int:
        return give.submit(1, wait_for=[allow_failure(fail.submit())]).result()

    assert orders() == 1


@pytest.mark.behaviour(35)
def test_around_mapped_futures_each_child_gets_its_own() -> None:
    @task
    def even(number: int) -> int:
        if number % 2:
            raise OutOfStock
        return number

    @flow
    def orders() -> list[str]:
        return kind_of.map(allow_failure(even.map([1, 2, 3]))).result()

    assert orders() == ["OutOfStock", "int", "OutOfStock"]


@pytest.mark.behaviour(36)
def test_a_flow_that_returns_what_could_not_start_has_failed() -> None:
    @flow
    def orders() -> Any:
        return give.submit(fail.submit())

    state = orders(return_state=True)
    assert (state.type.value, state.message) == ("FAILED", "1/1 states are not final.")


@pytest.mark.behaviour(37)
def test_a_state_as_an_argument_counts_as_a_future_would() -> None:
    @flow
    def orders() -> Any:
        return give(Failed(), return_state=True).name, give(Completed(data=2)), kind_of(quote(Failed()))

    assert orders() == ("NotReady", 2, "State")


@pytest.mark.behaviour(37)
def test_an_opaque_future_is_replaced_and_its_result_is_left_alone() -> None:
    inside = [Failed()]

    @flow
    def orders() -> bool:
        future = task(lambda: quote(inside)).submit()
        return task(lambda value: value is inside)(opaque(future))

    assert orders()


@pytest.mark.behaviour(38)
def test_arguments_of_flows_are_resolved_before_they_are_checked() -> None:
    @flow
    def inner(number: int) -> Any:
        return number, type(number).__name__

    @flow
    def orders() -> Any:
        refused = inner(fail.submit(), return_state=True)
        return inner(give.submit("7")), refused.name

    assert orders() == ((7, "int"), "Failed")


@pytest.mark.behaviour(39)
def test_handing_on_what_a_task_returned_links_the_runs() -> None:
    links: dict[str, list[Any]] = {}

    def note(_: Any, run: Any, state: State[Any]) -> None:
        links[run.task_name] = run.upstream or []

    @task(name="read", on_completion=[note])
    def read() -> list[int]:
        return [1, 2, 3]

    @task(name="add", on_completion=[note])
    def add(numbers: list[int]) -> int:
        return sum(numbers)

    @task(name="show", on_completion=[note])
    def show(number: int) -> None: ...

    @flow
    def orders() -> None:
        show(add(read()))

    orders()
    assert [name for name, _ in links["add"]] == ["numbers"]
    assert links["read"] == links["show"] == []


@pytest.mark.behaviour(40)
def test_waiting_for_a_run_that_waits_for_oneself_is_refused() -> None:
    handed: list[Any] = []
    gate = Gate()

    @task
    def circular() -> Any:
        gate.pass_through()
        with pytest.raises(ValueError, match="deadlock"):
            total.submit(1, wait_for=handed)
        with pytest.raises(ValueError, match="deadlock"):
            total(handed[0])
        return "went on"

    @flow
    def orders() -> Any:
        handed.append(circular.submit())
        gate.open()
        return handed[0].result()

    assert orders() == "went on"
