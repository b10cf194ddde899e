"""Runs that wait for people, for messages and for a time: B153 to B166."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pydantic
import pytest

from dalsegno import (
    apause_flow_run,
    aresume_flow_run,
    flow,
    pause_flow_run,
    resume_flow_run,
    retry_flow_run,
    sleep,
    suspend_flow_run,
    task,
)
from dalsegno._backend.connect import connect
from dalsegno._engine.requesting import request_run
from dalsegno.exceptions import (
    FlowPauseTimeout,
    FlowRunTimeoutError,
    InvalidInput,
    ObjectNotFound,
    PausedRun,
    RunCancelled,
    RunIsAlive,
    StateConflict,
)
from dalsegno.flow_runs import execute_flow_run
from dalsegno.input import RunInput, WithMetadata, receive_input, send_input
from dalsegno.model.ids import id_text
from dalsegno.model.pauses import PauseView
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.settings import DALSEGNO_PAUSES_SUSPEND_SLEEP_FROM, temporary_settings
from dalsegno.transactions import transaction

PATIENCE = 60.0


class Approval(RunInput):
    approved: bool
    reason: str = ""

    @pydantic.field_validator("reason")
    @classmethod
    def _is_polite(cls, value: str) -> str:
        if value == "rude":
            raise ValueError("be polite")
        return value


class Running:
    """A flow that runs in a thread beside the test."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def end(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


@contextmanager
def running(call: Callable[[], Any]) -> Iterator[Running]:
    run = Running(call)
    yield run
    if run._thread.is_alive():
        for view in connect().list_flow_runs(RunFilter(), Page()):
            connect().request_cancel(view.id)
        run._thread.join(PATIENCE)


def until(what: Callable[[], Any]) -> Any:
    ends = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)
    return found


def run_of(flow_name: str) -> FlowRunView:
    listed = until(lambda: connect().list_flow_runs(RunFilter(flow_names=[flow_name]), Page()))
    view = connect().read_flow_run(listed[0].id)
    assert view is not None
    return view


def paused(flow_name: str, count: int = 1) -> list[PauseView]:
    """Wait until a run waits in so many places, and shows it."""

    def look() -> list[PauseView]:
        run = run_of(flow_name)
        return found if len(found := run.pauses or []) == count and run.state.type == "PAUSED" else []

    return until(look)


def state_names(flow_name: str) -> list[str]:
    return [state.name for state in run_of(flow_name).states or []]


@task
def double(number: int) -> int:
    bodies.append(number)
    return number * 2


bodies: list[int] = []


@pytest.fixture(autouse=True)
def no_bodies() -> None:
    bodies.clear()


# --- B153 and B154: pauses and what they ask for


@pytest.mark.behaviour(153)
def test_a_paused_run_waits_until_it_is_resumed_and_a_retry_does_not_pause_there_again() -> None:
    fails = [True]

    @flow
    def pausing() -> int:
        found = double(1)
        pause_flow_run()
        if fails:
            raise ValueError(fails.pop())
        return double(found)

    with running(pausing) as run:
        paused("pausing")
        resume_flow_run(run_of("pausing").id)
        with pytest.raises(ValueError, match="True"):
            run.end()
    assert state_names("pausing") == ["Pending", "Running", "Paused", "Running", "Failed"]
    assert retry_flow_run(run_of("pausing").id, flow=pausing) == 4
    assert bodies == [1, 2]


@pytest.mark.behaviour(153)
def test_a_pause_is_awaited_in_a_coroutine_and_the_loop_goes_on_meanwhile() -> None:
    ticks: list[int] = []

    @flow
    async def pausing() -> int:
        async def tick() -> None:
            while True:
                ticks.append(1)
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        number = await apause_flow_run(wait_for_input=int)
        before = len(ticks)
        ticking.cancel()
        return number + (0 if before else 100)

    with running(lambda: asyncio.run(pausing())) as run:
        paused("pausing")
        seen = len(ticks)
        until(lambda: len(ticks) > seen)
        asyncio.run(aresume_flow_run(run_of("pausing").id, 5))
        assert run.end() == 5


@pytest.mark.behaviour(154)
def test_a_pause_gives_the_input_that_was_asked_for() -> None:
    @flow
    def asking() -> Any:
        return pause_flow_run(wait_for_input=Approval.with_initial_data("Publish the report?", reason="It looks well."))

    with running(asking) as run:
        (pause,) = paused("asking")
        assert pause.description == "Publish the report?"
        assert '"reason":{"default":"It looks well."' in (pause.schema or "")
        with pytest.raises(InvalidInput, match="approved: 'perhaps' is not of type 'boolean'"):
            resume_flow_run(run_of("asking").id, {"approved": "perhaps"})
        with pytest.raises(InvalidInput, match="'approved' is a required property"):
            resume_flow_run(run_of("asking").id)
        with pytest.raises(InvalidInput, match="'colour' was unexpected"):
            resume_flow_run(run_of("asking").id, {"approved": True, "colour": "red"})
        resume_flow_run(run_of("asking").id, {"approved": True})
        given = run.end()
    assert isinstance(given, Approval)
    assert (given.approved, given.reason) == (True, "It looks well.")


@pytest.mark.behaviour(154)
def test_an_input_that_the_model_itself_refuses_leaves_the_run_waiting_for_another() -> None:
    @flow
    def asking() -> Any:
        return pause_flow_run(wait_for_input=Approval).reason

    with running(asking) as run:
        paused("asking")
        resume_flow_run(run_of("asking").id, {"approved": True, "reason": "rude"})
        until(lambda: any("be polite" in (pause.problem or "") for pause in paused("asking")))
        resume_flow_run(run_of("asking").id, {"approved": True, "reason": "fine"})
        assert run.end() == "fine"


@pytest.mark.behaviour(154)
def test_pauses_that_stand_beside_each_other_are_told_apart_by_their_keys() -> None:
    @flow
    async def asking() -> list[int]:
        return await asyncio.gather(
            apause_flow_run(wait_for_input=int, key="left"), apause_flow_run(wait_for_input=int, key="right")
        )

    with running(lambda: asyncio.run(asking())) as run:
        paused("asking", 2)
        id_ = run_of("asking").id
        with pytest.raises(StateConflict, match=r"waits in 2 places: say which by its key \('left', 'right'\)"):
            resume_flow_run(id_, 1)
        with pytest.raises(ObjectNotFound, match="'left', 'right'"):
            resume_flow_run(id_, 1, key="middle")
        resume_flow_run(id_, 1, key="right")
        until(lambda: len(connect().list_pauses(id_)) == 1)
        assert run_of("asking").state.name == "Paused"
        resume_flow_run(id_, 2, key="left")
        assert run.end() == [2, 1]


# --- B155 to B157: when and where


@pytest.mark.behaviour(155)
def test_a_pause_whose_time_is_up_fails_the_flow_unless_it_is_caught() -> None:
    @flow
    def pausing() -> None:
        pause_flow_run(timeout=0.05)

    @flow
    def catching() -> str:
        try:
            pause_flow_run(timeout=0.05)
        except FlowPauseTimeout:
            return "nobody came"
        return "somebody came"

    @flow
    def again() -> int:
        with pytest.raises(FlowPauseTimeout):
            pause_flow_run(timeout=0.05)
        return pause_flow_run(wait_for_input=int)

    with running(again) as run:
        # Of the one whose time is up nobody is asked any more.
        until(lambda: [pause.schema is not None for pause in run_of("again").pauses or []] == [True])
        resume_flow_run(run_of("again").id, 5)
        assert run.end() == 5
    state = pausing(return_state=True)
    assert (state.name, state.message) == ("Failed", "The flow was failed and never resumed.")
    assert catching() == "nobody came"


@pytest.mark.behaviour(156)
def test_only_a_flow_can_be_paused_or_suspended() -> None:
    @task
    def pausing() -> None:
        pause_flow_run()

    @task
    def suspending() -> None:
        suspend_flow_run()

    @flow
    def around(what: Any) -> None:
        what()

    with pytest.raises(RuntimeError, match="outside of a flow"):
        pause_flow_run()
    with pytest.raises(RuntimeError, match="outside of a flow"):
        suspend_flow_run()
    for what in (pausing, suspending):
        with pytest.raises(RuntimeError, match="in a task"):
            around.with_options(validate_parameters=False)(what)


@pytest.mark.behaviour(156)
def test_a_run_that_does_not_wait_cannot_be_resumed() -> None:
    @flow
    def plain() -> None: ...

    plain()
    with pytest.raises(StateConflict, match="does not wait: it has ended"):
        resume_flow_run(run_of("plain").id)
    with pytest.raises(ObjectNotFound):
        resume_flow_run("0193a0f2-7f3c-7a34-9d3e-0f5e5a9c2b11")


@pytest.mark.behaviour(157)
@pytest.mark.parametrize("in_loop", [False, True])
def test_the_flows_own_timeout_stands_still_while_it_is_paused(in_loop: bool) -> None:
    @flow(timeout_seconds=2.0)
    def pausing() -> str:
        pause_flow_run()
        return "in time"

    @flow(timeout_seconds=2.0)
    async def pausing_in_loop() -> str:
        await apause_flow_run()
        await asyncio.sleep(60 if late else 0)
        return "in time"

    late = False
    name = "pausing-in-loop" if in_loop else "pausing"
    with running(lambda: asyncio.run(pausing_in_loop()) if in_loop else pausing()) as run:
        paused(name)
        time.sleep(2.2)  # the only way to tell
        resume_flow_run(run_of(name).id)
        assert run.end() == "in time"
    if in_loop:
        late = True
        with running(lambda: asyncio.run(pausing_in_loop())) as run:
            paused(name)
            resume_flow_run(run_of(name).id)
            with pytest.raises(FlowRunTimeoutError):
                run.end()


@pytest.mark.behaviour(157)
def test_in_the_main_thread_too_and_what_was_left_of_the_time_is_left_afterwards() -> None:
    @flow(timeout_seconds=2.0)
    def pausing() -> None:
        pause_flow_run()
        time.sleep(60)

    def resume() -> None:
        paused("pausing")
        time.sleep(2.2)
        resume_flow_run(run_of("pausing").id)

    helper = threading.Thread(target=resume)
    helper.start()
    with pytest.raises(FlowRunTimeoutError):
        pausing()
    helper.join()
    assert state_names("pausing") == ["Pending", "Running", "Paused", "Running", "TimedOut"]


# --- B158 to B160: suspension


@pytest.mark.behaviour(158)
def test_a_suspended_run_leaves_its_process_and_picks_up_with_the_input() -> None:
    @flow
    def leaving() -> int:
        submitted = double.submit(10)
        number = suspend_flow_run(wait_for_input=int)
        return double(number) + submitted.result()

    with pytest.raises(PausedRun, match="It waits to be resumed"):
        leaving()
    run = run_of("leaving")
    assert (run.state.name, run.process, bodies) == ("Suspended", None, [10])
    resume_flow_run(run.id, 4)
    assert retry_flow_run(run.id, flow=leaving) == 28
    assert bodies == [10, 4]
    assert state_names("leaving") == ["Pending", "Running", "Suspended", "Pending", "Running", "Completed"]


@pytest.mark.behaviour(158)
def test_a_nested_flow_suspends_the_run_that_it_is_in() -> None:
    @flow
    def inner(number: int) -> int:
        return suspend_flow_run(wait_for_input=int) + double(number)

    @flow
    def outer() -> int:
        return double(inner(double(1)))

    assert outer(return_state=True).name == "Suspended"
    assert [run_of(name).state.name for name in ("outer", "inner")] == ["Suspended", "Suspended"]
    resume_flow_run(run_of("inner").id, 3)
    assert retry_flow_run(run_of("outer").id, flow=outer) == 14
    assert bodies == [1, 2, 7]


@pytest.mark.behaviour(158)
def test_finally_blocks_run_when_a_body_is_suspended_and_errors_are_not_caught_for_it() -> None:
    seen: list[str] = []

    @flow
    async def leaving() -> None:
        try:
            await suspend_flow_run()
        except Exception:
            seen.append("caught")
        finally:
            seen.append("finally")

    state = asyncio.run(leaving(return_state=True))
    assert (state.name, seen) == ("Suspended", ["finally"])


@pytest.mark.behaviour(158)
def test_a_suspended_run_that_is_retried_without_being_resumed_waits_on() -> None:
    @flow
    def leaving() -> int:
        return suspend_flow_run(wait_for_input=int)

    assert leaving(return_state=True).name == "Suspended"
    run = run_of("leaving")
    assert retry_flow_run(run.id, flow=leaving, return_state=True).name == "Suspended"
    with pytest.raises(RunIsAlive, match="waits to be resumed: cancel it"):
        connect().delete_flow_run(run.id)
    resume_flow_run(run.id, 5)
    assert retry_flow_run(run.id, flow=leaving) == 5


@pytest.mark.behaviour(159)
def test_a_run_is_not_suspended_where_that_would_undo_or_cut_off_something() -> None:
    @flow
    def inner() -> None:
        suspend_flow_run()

    @flow
    def in_transaction() -> None:
        with transaction():
            suspend_flow_run()

    @flow
    def submitting() -> None:
        inner.submit().result()

    with pytest.raises(RuntimeError, match="a transaction is open here"):
        in_transaction()
    with pytest.raises(RuntimeError, match="flow 'inner' was submitted"):
        submitting()


@flow
def claimed(number: int) -> int:
    found = suspend_flow_run(wait_for_input=int, timeout=3600)
    return double(found + number)


@pytest.mark.behaviour(160)
def test_a_claimed_run_is_queued_again_when_it_is_resumed() -> None:
    id_ = request_run(connect(), claimed, {"number": 1})
    assert execute_flow_run(id_, flow=claimed, return_state=True).name == "Suspended"
    resume_flow_run(id_, 2)
    assert run_of("claimed").state.name == "Resuming"
    assert execute_flow_run(id_, flow=claimed) == 6


# --- B161: sleeps


@flow
def dozing(seconds: float) -> int:
    number = double(1)
    sleep(seconds)
    return double(number)


@pytest.mark.behaviour(161)
def test_a_long_sleep_of_a_claimed_run_gives_its_process_back_until_its_time_has_come() -> None:
    with temporary_settings({DALSEGNO_PAUSES_SUSPEND_SLEEP_FROM: 0.5}):
        id_ = request_run(connect(), dozing, {"seconds": 1.0})
        state = execute_flow_run(id_, flow=dozing, return_state=True)
        assert (state.name, state.message) == ("Suspended", "It sleeps.")
        wakes = state.state_details.scheduled_time
        assert wakes is not None
        left = wakes.timestamp() - time.time()
        assert 0 < left < 1.5
        time.sleep(left)
        assert execute_flow_run(id_, flow=dozing) == 4
    assert bodies == [1, 2]


@pytest.mark.behaviour(161)
def test_whoever_resumes_a_run_that_sleeps_wakes_it() -> None:
    with temporary_settings({DALSEGNO_PAUSES_SUSPEND_SLEEP_FROM: 0.5}):
        id_ = request_run(connect(), dozing, {"seconds": 3600.0})
        assert execute_flow_run(id_, flow=dozing, return_state=True).name == "Suspended"
        resume_flow_run(id_)
        assert execute_flow_run(id_, flow=dozing) == 4


@pytest.mark.behaviour(161)
def test_a_run_that_was_called_sleeps_in_its_process() -> None:
    with temporary_settings({DALSEGNO_PAUSES_SUSPEND_SLEEP_FROM: 0.05}):
        assert dozing(0.1) == 4
    assert state_names("dozing") == ["Pending", "Running", "Completed"]


# --- B162 and B163: from outside


@pytest.mark.behaviour(162)
def test_paused_and_suspended_runs_can_be_cancelled() -> None:
    @flow
    def pausing() -> None:
        pause_flow_run()

    with running(pausing) as run:
        paused("pausing")
        assert connect().request_cancel(run_of("pausing").id)
        with pytest.raises(RunCancelled):
            run.end()
    assert run_of("pausing").state.name == "Cancelled"

    id_ = request_run(connect(), claimed, {"number": 1})
    assert execute_flow_run(id_, flow=claimed, return_state=True).name == "Suspended"
    assert connect().request_cancel(id_)
    assert run_of("claimed").state.name == "Cancelled"
    with pytest.raises(StateConflict, match="has ended"):
        resume_flow_run(id_, 1)


@pytest.mark.behaviour(163)
def test_somebody_can_pause_a_run_before_its_next_task() -> None:
    go_on = threading.Event()

    @flow
    def working() -> int:
        found = double(1)
        until(go_on.is_set)
        return double(found)

    with running(working) as run:
        id_ = until(lambda: bodies and run_of("working").id)
        assert connect().request_pause(id_, False)
        # Heard of by the process's own thread: what was asked for stands in the session of the run.
        until(lambda: wish_arrived(id_))
        go_on.set()
        paused("working")
        assert bodies == [1]
        assert connect().request_pause(id_, False) is False
        resume_flow_run(id_)
        assert run.end() == 4
    assert state_names("working") == ["Pending", "Running", "Paused", "Running", "Completed"]


@pytest.mark.behaviour(163)
def test_somebody_can_suspend_a_run_before_its_next_task_and_one_that_is_queued_at_once() -> None:
    go_on = threading.Event()

    @flow
    def working() -> int:
        found = double(1)
        until(go_on.is_set)
        return double(found)

    with running(lambda: working(return_state=True)) as run:
        id_ = until(lambda: bodies and run_of("working").id)
        suspend_flow_run(flow_run_id=id_)
        until(lambda: wish_arrived(id_))
        go_on.set()
        assert run.end().name == "Suspended"
    resume_flow_run(id_)
    assert retry_flow_run(id_, flow=working) == 4
    assert bodies == [1, 2]

    queued = request_run(connect(), dozing, {"seconds": 0.0})
    assert connect().request_pause(queued, True)
    assert run_of("dozing").state.name == "Suspended"
    resume_flow_run(queued)
    assert execute_flow_run(queued, flow=dozing) == 4


def wish_arrived(flow_run_id: bytes) -> bool:
    from dalsegno._engine.session import journal_for

    writers = journal_for(connect())._writers
    return any(root == flow_run_id and writer.wishes.wanted is not None for root, writer in list(writers.items()))


# --- B164 and B165: messages


@pytest.mark.behaviour(164)
def test_inputs_are_received_in_order_and_each_once() -> None:
    fails = [True]
    sent = threading.Event()

    @flow
    def receiving() -> list[str]:
        cities = []
        for city in receive_input(str, timeout=20):
            cities.append(city)
            if city == "Rome":
                break
        assert sent.wait(60)
        if fails:
            raise ValueError(fails.pop())
        return cities + list(receive_input(str, timeout=0.05))

    with running(receiving) as run:
        id_ = run_of("receiving").id
        for city in ("Berlin", "Paris", "Rome", "Oslo"):
            send_input(city, id_)
        sent.set()
        with pytest.raises(ValueError, match="True"):
            run.end()
    assert retry_flow_run(id_, flow=receiving) == ["Berlin", "Paris", "Rome", "Oslo"]
    with pytest.raises(StateConflict, match="receives nothing any more"):
        send_input("late", id_)


@pytest.mark.behaviour(164)
def test_a_receiver_without_input_ends_or_raises() -> None:
    @flow
    async def receiving() -> tuple[list[str], str]:
        found = [text async for text in receive_input(str, timeout=0.05)]
        try:
            async for _ in receive_input(str, timeout=0.05, raise_timeout_error=True):
                pass
        except TimeoutError as error:
            return found, str(error)
        return found, ""

    assert asyncio.run(receiving()) == ([], "No input 'str' came within 0.05 seconds.")
    with pytest.raises(RuntimeError, match="needs its flow_run_id"):
        receive_input(str)


@pytest.mark.behaviour(165)
def test_models_are_received_by_their_class_and_answered() -> None:
    @flow
    def answering() -> str:
        asked = Approval.receive(timeout=20).next()
        asked.respond(f"{asked.reason} yes")
        assert asked.metadata is not None
        return asked.metadata.sender or ""

    @flow
    def asking(other: str) -> Any:
        Approval(approved=True, reason="So?").send_to(other)
        return receive_input(str, timeout=20, with_metadata=True).next()

    with running(answering) as run:
        found = asking(id_text(run_of("answering").id))
        assert isinstance(found, WithMetadata)
        assert found.value == "So? yes"
        assert run.end() == f"dalsegno.flow-run.{id_text(run_of('asking').id)}"
    with pytest.raises(TypeError, match="has no field 'colour'"):
        Approval.with_initial_data(colour="red")


@pytest.mark.behaviour(153)
def test_a_pause_is_a_step_of_a_drawing() -> None:
    @flow
    def drawn() -> None:
        double(1)
        pause_flow_run(wait_for_input=int)
        suspend_flow_run()

    graph = drawn.generate_mermaid_graph()
    assert all(f'["{name}"]' in graph for name in ("double", "pause_flow_run", "suspend_flow_run")), graph
