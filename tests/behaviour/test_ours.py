"""What flows and tasks can do beyond what others have: triggers, skips, state handlers, fallbacks and more."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.behaviour.bodies import PATIENCE, Gate, OutOfStock, fail, give

import dalsegno
from dalsegno import Skip, State, flatten, flow, fork_flow_run, retry_flow_run, set_task_result, skip, task, triggers
from dalsegno._backend.connect import connect
from dalsegno.artifacts import create_markdown_artifact
from dalsegno.model.views import Page, RunFilter
from dalsegno.runtime import flow_run
from dalsegno.states import Completed, Failed
from dalsegno.task_runners import ThreadPoolTaskRunner
from dalsegno.testing import FakeClock


@task
def skipping() -> None:
    skip("nothing new")


UPSTREAMS = {"completed": give, "failed": fail, "skipped": skipping}


def became(trigger: Any, *upstreams: str) -> str:
    """Give the name of the state of a task with this trigger, after upstreams that ended so."""
    last = task(trigger=trigger)(lambda found: None)

    @flow
    def orders() -> str:
        return last.submit([UPSTREAMS[each].submit() for each in upstreams], return_state=True).name

    return orders()


@pytest.mark.behaviour(110)
@pytest.mark.parametrize(
    ("trigger", "runs", "does_not"),
    [
        (None, "completed completed", "completed failed: NotReady"),
        (triggers.all_successful, "completed completed", "completed skipped: Skipped"),
        (triggers.all_finished, "failed skipped", None),
        (triggers.any_successful, "completed failed", "failed failed: NotReady"),
        (triggers.any_failed, "completed failed", "completed completed: Skipped"),
        (triggers.all_failed, "failed failed", "completed failed: Skipped"),
        (triggers.none_failed, "completed skipped", "completed failed: NotReady"),
        (triggers.some_successful(at_least=2), "completed completed failed", "completed failed failed: NotReady"),
        (triggers.some_successful(at_most=1), "completed failed", "completed completed: Skipped"),
        (triggers.some_failed(at_least=0.5), "completed failed", "completed completed failed: Skipped"),
        (lambda states: states[0].is_failed(), "failed completed", "completed completed: Skipped"),
    ],
    ids=lambda value: repr(value) if isinstance(value, triggers.Trigger) else None,
)
def test_a_trigger_decides_by_the_states_of_the_upstreams(trigger: Any, runs: str, does_not: str | None) -> None:
    assert became(trigger, *runs.split()) == "Completed"
    if does_not is not None:
        upstreams, _, name = does_not.partition(": ")
        assert became(trigger, *upstreams.split()) == name


@pytest.mark.behaviour(110)
def test_a_trigger_goes_for_wait_for_too_and_the_body_gets_exceptions() -> None:
    @task(trigger=triggers.any_failed)
    def alert(found: Any = None) -> str:
        return type(found).__name__

    @flow
    def orders() -> Any:
        failed = fail.submit()
        return alert(failed), alert(wait_for=[failed]), alert(wait_for=[give.submit()], return_state=True).name

    assert orders() == ("OutOfStock", "NoneType", "Skipped")


@pytest.mark.behaviour(110)
def test_a_trigger_that_fails_fails_the_task() -> None:
    def broken(states: Any) -> bool:
        raise OutOfStock("of triggers")

    @flow
    def orders() -> Any:
        return task(trigger=broken)(lambda found: None)(give.submit(), return_state=True).message

    assert "of triggers" in orders()
    with pytest.raises(TypeError, match="trigger"):
        task(trigger=3)(lambda: None)


@pytest.mark.behaviour(111)
@pytest.mark.parametrize("how", ["skip", "raise"])
def test_a_task_may_skip_itself(how: str) -> None:
    called: list[str] = []

    @task(retries=2, on_failure=[lambda *_: called.append("failure")])
    def load() -> None:
        called.append("body")
        if how == "skip":
            skip("nothing new")
        raise Skip("nothing new")

    state = load(return_state=True)
    assert (state.name, state.type.value, state.message) == ("Skipped", "COMPLETED", "nothing new")
    assert load() is None
    assert called == ["body", "body"]


@pytest.mark.behaviour(111)
def test_a_flow_may_skip_itself() -> None:
    @flow
    def inner() -> None:
        skip("a holiday")

    @flow
    def outer() -> str:
        return inner(return_state=True).name

    assert outer() == "Skipped"
    assert inner() is None
    assert str(inner(return_state=True)) == "Skipped('a holiday', type=COMPLETED)"


@pytest.mark.behaviour(111)
def test_a_skip_flows_down_unless_a_trigger_lets_it_pass() -> None:
    @flow
    def orders() -> Any:
        first = skipping.submit()
        second = give.submit(first)
        third = give.submit(second, return_state=True)
        last = task(trigger=triggers.none_failed)(lambda found: ["got", found])
        return second.state.name, third.name, last(second)

    assert orders() == ("Skipped", "Skipped", ["got", None])


@pytest.mark.behaviour(112)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_state_handler_is_told_of_each_change(decorate: Any) -> None:
    changes: list[tuple[str, str]] = []

    def watch(spec: Any, old: State[Any], new: State[Any]) -> None:
        changes.append((old.name, new.name))

    assert decorate(state_handlers=[watch])(lambda: 1)() == 1
    assert changes == [("Pending", "Running"), ("Running", "Completed")]


@pytest.mark.behaviour(112)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_state_that_a_handler_returns_takes_the_place(decorate: Any) -> None:
    def forgive(spec: Any, old: State[Any], new: State[Any]) -> State[Any] | None:
        return Completed(message="never mind", data=0) if new.is_failed() else None

    def spoil(spec: Any, old: State[Any], new: State[Any]) -> State[Any] | None:
        return Failed(message="not enough") if new.is_completed() else None

    def broken(spec: Any, old: State[Any], new: State[Any]) -> None:
        raise OutOfStock

    def body() -> None:
        raise OutOfStock

    assert decorate(state_handlers=[broken, forgive])(body)() == 0
    state = decorate(state_handlers=[spoil])(lambda: 1)(return_state=True)
    assert (state.type.value, state.message) == ("FAILED", "not enough")


@pytest.mark.behaviour(113)
def test_a_fallback_stands_in_for_a_final_failure() -> None:
    tries: list[int] = []

    @task(retries=1, fallback=0)
    def load(day: str) -> int:
        tries.append(1)
        raise OutOfStock("no tea")

    state = load("monday", return_state=True)
    assert (state.name, state.type.value, state.result()) == ("Fallback", "COMPLETED", 0)
    assert "no tea" in state.message
    assert len(tries) == 2
    assert load("monday") == 0


@pytest.mark.behaviour(113)
def test_a_fallback_may_be_a_function_and_may_be_none() -> None:
    def instead(error: Exception, arguments: dict[str, Any]) -> str:
        return f"{error} on {arguments['day']}"

    def body(day: str) -> Any:
        raise OutOfStock("no tea")

    assert task(fallback=instead)(body)("monday") == "no tea on monday"
    state = task(fallback=None)(body)("monday", return_state=True)
    assert (state.name, state.result()) == ("Fallback", None)


@pytest.mark.behaviour(114)
def test_retries_can_be_for_some_errors_only() -> None:
    class Late(OutOfStock):
        """A kind of it."""

    def tries_of(error: type[Exception], **options: Any) -> int:
        tries: list[int] = []

        @task(retries=2, **options)
        def load() -> None:
            tries.append(1)
            raise error

        load(return_state=True)
        return len(tries)

    assert tries_of(Late, retry_on=OutOfStock) == 3
    assert tries_of(KeyError, retry_on=(OutOfStock, KeyError)) == 3
    assert tries_of(KeyError, retry_on=OutOfStock) == 1
    assert tries_of(Late, give_up_on=(OutOfStock,)) == 1
    assert tries_of(Late, retry_on=OutOfStock, give_up_on=Late) == 1
    assert tries_of(KeyError, give_up_on=OutOfStock) == 3
    with pytest.raises(TypeError, match="retry_on"):
        tries_of(KeyError, retry_on="KeyError")


@pytest.mark.behaviour(115)
def test_what_waits_is_awaited_in_coroutines_and_called_elsewhere(clock: FakeClock) -> None:
    def note(text: str) -> Any:
        return create_markdown_artifact(text)

    @flow
    def called() -> bool:
        dalsegno.sleep(60)
        return isinstance(note("called"), uuid.UUID)

    @flow
    async def awaited() -> bool:
        await dalsegno.sleep(60)
        return isinstance(await note("awaited"), uuid.UUID)

    async def program() -> Any:
        return called(), await awaited()

    assert called()
    assert asyncio.run(program()) == (True, True)
    assert clock.slept == [60, 60, 60]


@pytest.mark.behaviour(116)
def test_nested_flows_can_be_submitted_and_run_side_by_side() -> None:
    meeting = threading.Barrier(2)

    @flow
    def inner(number: int) -> Any:
        meeting.wait(PATIENCE)
        return give(number), flow_run.id

    @flow
    def orders() -> Any:
        futures = [inner.submit(give.submit("1")), inner.submit(2)]
        return [(future.result(), str(future.flow_run_id)) for future in futures]

    for (_, seen), id_ in (found := orders()):
        assert seen == id_
    assert [number for (number, _), _ in found] == [1, 2]


@pytest.mark.behaviour(116)
def test_nested_flows_can_be_mapped_and_waited_for() -> None:
    @flow
    def inner(number: int) -> int:
        if number == 3:
            raise OutOfStock
        return 2 * number

    @flow
    async def inner_async(number: int) -> int:
        return 3 * number

    @flow
    def orders() -> Any:
        states = inner.map([2, 3], return_state=True)
        refused = give.submit(inner.submit(3), return_state=True)
        return inner.map([1, 2]).result(), inner_async.map([1]).result(), [s.type.value for s in states], refused.name

    assert orders() == ([2, 4], [3], ["COMPLETED", "FAILED"], "NotReady")
    with pytest.raises(RuntimeError, match="task runner"):
        inner.submit(1)


@pytest.mark.behaviour(117)
def test_a_bounded_map_takes_no_more_than_it_runs() -> None:
    taken: list[int] = []
    taken_while_closed: list[int] = []
    gate = Gate()

    def numbers() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    def open_gate() -> None:
        taken_while_closed.append(len(taken))
        gate.open()

    @task
    def work(number: int) -> int:
        gate.pass_through()
        return number

    @flow
    def orders() -> Any:
        threading.Timer(0.05, open_gate).start()
        return work.map(numbers(), max_in_flight=2).result()

    assert orders() == list(range(20))
    assert taken_while_closed[0] <= 3


@pytest.mark.behaviour(117)
def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="max_in_flight"):
        flow(lambda: give.map([1], max_in_flight=0))()


@pytest.mark.behaviour(117)
def test_a_nested_iterable_can_be_flattened() -> None:
    @flow
    def orders() -> Any:
        return give.map(flatten([[1, 2], [], [3]])).result()

    assert orders() == [1, 2, 3]


@pytest.mark.behaviour(118)
def test_the_completion_of_a_durable_task_is_recorded_before_the_flow_goes_on() -> None:
    @flow
    def orders() -> list[Any]:
        task(name="pay", durable=True)(lambda: None)()
        return [(run.task_name, run.state.name) for run in connect().list_task_runs(RunFilter(), Page())]

    assert orders() == [("pay", "Completed")]


@pytest.mark.behaviour(119)
def test_a_task_can_have_a_runner_of_its_own() -> None:
    threads: set[int] = set()

    @task
    def work(number: int) -> int:
        threads.add(threading.get_ident())
        return number

    @flow
    def orders() -> Any:
        apart = work.on(ThreadPoolTaskRunner(max_workers=1))
        return apart.map(range(10)).result(), give.submit("beside").result()

    assert orders() == (list(range(10)), "beside")
    assert len(threads) == 1


class Ledger:
    """A flow of three tasks whose last one fails until it is told otherwise."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.broken = True
        ran = self.ran

        @task(name="read")
        def read(day: str) -> str:
            ran.append("read")
            return f"rows of {day}"

        @task(name="clean")
        def clean(rows: str) -> str:
            ran.append("clean")
            return rows.upper()

        @task(name="send")
        def send(rows: str) -> str:
            ran.append("send")
            if self.broken:
                raise OutOfStock
            return rows

        @flow(name="ledger")
        def ledger(day: str = "monday") -> str:
            return send(clean(read(day)))

        self.flow = ledger

    def fail_once(self) -> bytes:
        """Run the flow until it breaks, and give the run's id."""
        with pytest.raises(OutOfStock):
            self.flow()
        self.ran.clear()
        self.broken = False
        return newest().id


def newest() -> Any:
    return connect().list_flow_runs(RunFilter(), Page())[0]


@pytest.mark.behaviour(120)
def test_a_failed_run_goes_on_where_it_broke() -> None:
    ledger = Ledger()
    id_ = ledger.fail_once()
    assert retry_flow_run(id_, flow=ledger.flow) == "ROWS OF MONDAY"
    assert ledger.ran == ["send"]
    assert (newest().id, newest().run_count, newest().state.name) == (id_, 2, "Completed")


@pytest.mark.behaviour(120)
@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ({"from_": "clean"}, ["clean", "send"]),
        ({"scratch": True}, ["read", "clean", "send"]),
        ({"changed": True}, ["send"]),
    ],
    ids=["from a task", "from scratch", "what changed"],
)
def test_more_than_what_failed_can_be_run_again(options: dict[str, Any], ran: list[str]) -> None:
    ledger = Ledger()
    id_ = ledger.fail_once()
    assert retry_flow_run(id_, flow=ledger.flow, **options) == "ROWS OF MONDAY"
    assert [name for name in ledger.ran if name in ran] == ran
    assert ledger.ran == ran


@pytest.mark.behaviour(121)
def test_other_parameters_make_another_run_that_takes_what_it_can() -> None:
    ledger = Ledger()
    id_ = ledger.fail_once()
    assert retry_flow_run(id_, flow=ledger.flow, parameters={"day": "tuesday"}) == "ROWS OF TUESDAY"
    assert newest().id != id_
    assert ledger.ran == ["read", "clean", "send"]
    ledger.ran.clear()
    assert fork_flow_run(id_, flow=ledger.flow) == "ROWS OF MONDAY"
    assert ledger.ran == ["send"]


@pytest.mark.behaviour(122)
def test_a_task_run_can_be_completed_by_hand() -> None:
    ledger = Ledger()
    id_ = ledger.fail_once()
    (failed,) = [run for run in connect().list_task_runs(RunFilter(), Page()) if run.state.name == "Failed"]
    set_task_result(failed.id, "sent by hand")
    assert retry_flow_run(id_, flow=ledger.flow) == "sent by hand"
    assert ledger.ran == []


@pytest.mark.behaviour(123)
def test_a_sleep_is_a_step_that_is_not_slept_again(clock: FakeClock) -> None:
    @flow(retries=1)
    def orders() -> None:
        dalsegno.sleep(timedelta(hours=2))
        if flow_run.run_count == 1:
            raise OutOfStock

    orders()
    assert clock.slept == [7200]
