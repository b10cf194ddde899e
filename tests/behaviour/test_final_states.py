"""How the final state of a flow, or of a task, comes of what its body returns."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.behaviour.bodies import Gate, Histories, OutOfStock, fail, give

from dalsegno import State, flow, quote, task
from dalsegno.exceptions import CancelledRun, CrashedRun, FailedRun, PausedRun
from dalsegno.states import Cancelled, Completed, Crashed, Failed, Paused
from dalsegno.task_runners import ThreadPoolTaskRunner


def state_of(body: Any) -> State[Any]:
    """Run a flow with this body and give its final state."""
    return flow(body)(return_state=True)


@pytest.mark.behaviour(11)
@pytest.mark.parametrize("value", [None, 7])
def test_the_return_value_alone_decides(value: Any) -> None:
    def body() -> Any:
        fail.submit().wait()
        return value

    assert state_of(body).is_completed()


@pytest.mark.behaviour(12)
def test_a_returned_state_is_the_final_state_as_it_is() -> None:
    state = state_of(lambda: Completed(name="Shipped", message="by train", data=3))
    assert (state.type.value, state.name, state.message, state.result()) == ("COMPLETED", "Shipped", "by train", 3)


@pytest.mark.behaviour(12)
@pytest.mark.parametrize(
    ("make", "error"),
    [(Failed, FailedRun), (Cancelled, CancelledRun), (Crashed, CrashedRun), (Paused, PausedRun)],
)
def test_a_returned_state_that_is_no_success_is_raised_by_the_call(make: Any, error: type[Exception]) -> None:
    @flow
    def orders() -> Any:
        return make(message="no more tea")

    with pytest.raises(error, match="no more tea"):
        orders()


@dataclasses.dataclass
class Pair:
    """Two values."""

    first: Any
    second: Any


@pytest.mark.behaviour(13)
def test_a_returned_future_gives_a_state() -> None:
    @flow
    def orders() -> Any:
        return give.submit(3)

    state = orders()
    assert isinstance(state, State)
    assert state.result() == 3


@pytest.mark.behaviour(13)
def test_returned_futures_become_states_inside_of_collections() -> None:
    @flow
    def orders() -> Any:
        one, two = give.submit(1), give.submit(2)
        return {"list": [one, "plain"], "pair": Pair(two, {"deep": (one,)})}

    found = orders()
    assert found["list"][1] == "plain"
    states = [found["list"][0], found["pair"].first, found["pair"].second["deep"][0]]
    assert [state.result() for state in states] == [1, 2, 1]


@pytest.mark.behaviour(14)
@pytest.mark.parametrize(
    ("states", "type_", "message"),
    [
        ([Cancelled(), Failed(), Completed()], "CANCELLED", "1/3 states cancelled."),
        ([Crashed(), Failed(), Completed()], "FAILED", "2/3 states failed."),
        ((Paused(), Completed()), "FAILED", "1/2 states are not final."),
        ([Completed(), Completed()], "COMPLETED", "All states completed."),
    ],
)
def test_a_collection_of_states_alone_decides_together(states: Any, type_: str, message: str) -> None:
    state = state_of(lambda: states)
    assert (state.type.value, state.message) == (type_, message)


@pytest.mark.behaviour(14)
def test_a_state_of_another_run_counts_as_a_group_of_one() -> None:
    @flow
    def inner() -> Any:
        raise OutOfStock

    for body in (
        lambda: fail.submit(),
        lambda: fail(return_state=True),
        lambda: inner(return_state=True),
    ):
        state = state_of(body)
        assert (state.type.value, state.message) == ("FAILED", "1/1 states failed.")
    assert state_of(lambda: give.submit()).message == "All states completed."


@pytest.mark.behaviour(14)
@pytest.mark.parametrize("wrap", [lambda f: {"a": f}, lambda f: [[f]], lambda f: [f, 1]])
def test_states_beside_or_inside_of_other_values_decide_nothing(wrap: Any) -> None:
    assert state_of(lambda: wrap(fail.submit())).is_completed()


@pytest.mark.behaviour(15)
@pytest.mark.parametrize("give_back", [lambda: fail.submit("no tea"), lambda: fail("no tea", return_state=True)])
def test_a_single_returned_failure_raises_its_error(give_back: Any) -> None:
    @flow
    def orders() -> Any:
        return give_back()

    with pytest.raises(OutOfStock, match="no tea"):
        orders()


@pytest.mark.behaviour(15)
def test_a_returned_list_with_failures_is_given_back_though_the_run_failed() -> None:
    @flow
    def orders() -> Any:
        return [give.submit(), fail.submit("no tea")]

    assert [state.type.value for state in orders()] == ["COMPLETED", "FAILED"]
    state = orders(return_state=True)
    assert state.is_failed()
    with pytest.raises(OutOfStock, match="no tea"):
        state.result()


@pytest.mark.behaviour(16)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_returned_exception_is_a_value(decorate: Any) -> None:
    error = OutOfStock("just a value")
    called = decorate(lambda: error)
    assert called() is error
    state = called(return_state=True)
    assert state.is_completed()
    assert state.result() is error


@pytest.mark.behaviour(17)
def test_what_is_quoted_is_not_looked_into() -> None:
    failed = Failed()
    assert flow(lambda: quote(failed))() is failed
    assert state_of(lambda: quote([failed])).is_completed()
    assert task(lambda: quote(failed))() is failed


@pytest.mark.behaviour(18)
@pytest.mark.parametrize("empty", [[], {}, (), set()])
def test_an_empty_collection_is_a_value(empty: Any) -> None:
    state = state_of(lambda: empty)
    assert state.is_completed()
    assert state.result() == empty


@pytest.mark.behaviour(19)
def test_a_task_that_returns_a_failed_state_fails_and_is_retried() -> None:
    seen = Histories()

    @task(retries=1, on_failure=[seen])
    def load() -> Any:
        return Failed(message="no rows")

    state = load(return_state=True)
    assert state.is_failed()
    assert state.message == "no rows"
    assert seen.names == [["Pending", "Running", "Retrying", "Failed"]]


@pytest.mark.behaviour(20)
def test_a_flow_waits_for_what_it_submitted_and_is_not_changed_by_it() -> None:
    ended: list[int] = []
    gate = Gate()

    @task
    def slow(number: int) -> None:
        gate.pass_through()
        ended.append(number)
        raise OutOfStock

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def orders() -> int:
        slow.map(range(3))
        gate.wait_until_entered()
        assert ended == []
        gate.open()
        return 5

    state = orders(return_state=True)
    assert state.result() == 5
    assert sorted(ended) == [0, 1, 2]
