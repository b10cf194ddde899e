"""States: their types and names, what they say and what they hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock, fail, give

from dalsegno import State, flow, states, task
from dalsegno.exceptions import CancelledRun, CrashedRun, FailedRun, MissingResult, PausedRun, UnfinishedRun
from dalsegno.states import (
    AwaitingConcurrencySlot,
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Late,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    StateType,
    Suspended,
)

DEFAULT_NAMES = [Scheduled, Pending, Running, Completed, Failed, Cancelled, Crashed, Paused, Cancelling]


@pytest.mark.behaviour(21)
def test_each_type_has_its_title_as_the_default_name() -> None:
    made = [make() for make in DEFAULT_NAMES]
    assert {state.type for state in made} == set(StateType)
    assert [state.name for state in made] == [state.type.value.title() for state in made]


@pytest.mark.behaviour(21)
@pytest.mark.parametrize(
    ("make", "type_"),
    [
        (Late, "SCHEDULED"),
        (AwaitingRetry, "SCHEDULED"),
        (AwaitingConcurrencySlot, "SCHEDULED"),
        (Retrying, "RUNNING"),
        (Suspended, "PAUSED"),
    ],
)
def test_special_names_belong_to_types(make: Any, type_: str) -> None:
    state = make()
    assert (state.name, state.type.value) == (make.__name__, type_)


@pytest.mark.behaviour(21)
def test_a_name_is_free() -> None:
    assert Completed(name="Shipped").name == "Shipped"


@pytest.mark.behaviour(22)
def test_four_types_are_final() -> None:
    assert [make.__name__ for make in DEFAULT_NAMES if make().is_final()] == [
        "Completed",
        "Failed",
        "Cancelled",
        "Crashed",
    ]


@pytest.mark.behaviour(22)
def test_questions_go_by_the_type_alone() -> None:
    assert not Crashed().is_failed()
    assert Retrying().is_running()
    assert AwaitingRetry().is_scheduled()
    assert not Cancelling().is_cancelled()
    assert Suspended().is_paused()
    assert Completed(name="Failed").is_completed()


@pytest.mark.behaviour(23)
def test_a_state_as_text_tells_its_name_its_message_and_its_type_if_need_be() -> None:
    assert str(Completed()) == "Completed()"
    assert str(Failed(message="no tea")) == "Failed('no tea')"
    assert str(Completed(name="Shipped", message="by train")) == "Shipped('by train', type=COMPLETED)"


@pytest.mark.behaviour(24)
def test_the_result_of_a_completed_state_is_its_data() -> None:
    assert Completed(data=[1]).result() == [1]
    assert give(None, return_state=True).result() is None


@pytest.mark.behaviour(24)
@pytest.mark.parametrize(
    ("make", "error", "default"),
    [(Failed, FailedRun, "Run failed."), (Crashed, CrashedRun, "Run crashed."), (Cancelled, CancelledRun, "cancelled")],
)
def test_the_result_of_a_failure_is_raised(make: Any, error: type[Exception], default: str) -> None:
    for state, kind, text in [
        (make(data=OutOfStock("no tea")), OutOfStock, "^no tea$"),
        (make(data="no tea"), error, "^no tea$"),
        (make(message="no tea"), error, "^no tea$"),
        (make(), error, default),
        (make(data=[Completed(), make(data=OutOfStock("no tea"))]), OutOfStock, "^no tea$"),
        (make(data=make(data="no tea")), error, "^no tea$"),
        (make(data=3), TypeError, "3"),
    ]:
        with pytest.raises(kind, match=text):
            state.result()


@pytest.mark.behaviour(25)
def test_without_raising_a_failure_gives_its_exception_or_its_data() -> None:
    error = OutOfStock("no tea")
    assert Failed(data=error).result(raise_on_failure=False) is error
    assert Failed(data=3).result(raise_on_failure=False) == 3
    assert Completed(data=3).result(raise_on_failure=False) == 3
    found = Failed(message="no tea").result(raise_on_failure=False)
    assert isinstance(found, FailedRun)
    assert str(found) == "no tea"


@pytest.mark.behaviour(26)
@pytest.mark.parametrize(
    ("make", "error"),
    [(Pending, UnfinishedRun), (Running, UnfinishedRun), (Paused, PausedRun), (Completed, MissingResult)],
)
def test_what_has_no_result_says_so(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make().result()


@pytest.mark.behaviour(27)
def test_in_a_coroutine_the_result_of_a_state_is_awaited_and_that_of_a_future_is_not() -> None:
    @flow
    async def orders() -> Any:
        state = give(1, return_state=True)
        return await state.result(), give.submit(2).result()

    assert asyncio.run(orders()) == (1, 2)


@pytest.mark.behaviour(27)
def test_in_a_sync_body_nothing_is_awaited_whatever_runs_around_it() -> None:
    @flow
    def orders() -> Any:
        return give(1, return_state=True).result()

    async def program() -> Any:
        return orders()

    assert asyncio.run(program()) == 1


@pytest.mark.behaviour(28)
def test_two_states_made_alike_are_two() -> None:
    first, second = Completed(message="a"), Completed(message="a")
    assert first != second
    assert first.id != second.id


@pytest.mark.behaviour(29)
def test_a_state_knows_whose_it_is() -> None:
    @flow
    def inner() -> Any:
        return states.Completed(data=1)

    kept: list[State[Any]] = []

    @flow
    def outer() -> None:
        kept.extend([give(1, return_state=True), inner(return_state=True)])

    of_flow = outer(return_state=True).state_details
    of_task, of_inner = (state.state_details for state in kept)
    assert of_flow.flow_run_id is not None
    assert of_flow.task_run_id is None
    assert of_task.flow_run_id == of_flow.flow_run_id
    assert of_task.task_run_id is not None
    assert of_inner.flow_run_id not in (None, of_flow.flow_run_id)
    assert of_inner.task_run_id not in (None, of_task.task_run_id)


@pytest.mark.behaviour(30)
def test_messages_tell_what_went_wrong() -> None:
    @flow
    def failing() -> None:
        raise OutOfStock("no tea")

    @flow
    def counting(number: int) -> None: ...

    assert fail("no tea", return_state=True).message == "Task run encountered an exception OutOfStock: no tea"
    assert failing(return_state=True).message == "Flow run encountered an exception: OutOfStock: no tea"
    message = counting("many", return_state=True).message
    assert message.startswith("Validation of flow parameters failed with error: ")
    assert "number" in message


@pytest.mark.behaviour(30)
def test_messages_of_timeouts_tell_the_time() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    of_task = asyncio.run(task(timeout_seconds=0.01)(endless)(return_state=True))
    of_flow = asyncio.run(flow(timeout_seconds=0.01)(endless)(return_state=True))
    assert of_task.message == "Task run exceeded timeout of 0.01 second(s)"
    assert of_flow.message == "Flow run exceeded timeout of 0.01 second(s)"
