"""Transactions in real flow runs: what commits, what is rolled back, in which order, and what the records say."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dalsegno._backend.connect import connect
from dalsegno.context import FlowRunContext
from dalsegno.exceptions import RunCancelled, RunFenced
from dalsegno.flows import flow
from dalsegno.model.views import Page, RunFilter
from dalsegno.states import State
from dalsegno.tasks import Task, task
from dalsegno.transactions import (
    AsyncTransaction,
    CommitMode,
    Transaction,
    atransaction,
    get_transaction,
    transaction,
)


class Diary:
    """Steps that write down when they are done, committed and taken back."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, name: str) -> Task[[], str]:
        def do() -> str:
            self.lines.append(name)
            return name

        return self.watch(task(name=name)(do), name)

    def watch(self, step: Task[..., Any], name: str) -> Task[..., Any]:
        step.on_commit(lambda txn: self.lines.append(f"commit {name}"))
        step.on_rollback(lambda txn: self.lines.append(f"undo {name}"))
        return step


@pytest.fixture
def diary() -> Diary:
    return Diary()


@task(name="fail")
def fail() -> None:
    raise ValueError("no")


def recorded() -> Counter[tuple[str, str]]:
    runs = connect().list_task_runs(RunFilter(), Page())
    return Counter((run.task_name, run.state.name) for run in runs)


def run(body: Callable[[], Any]) -> State[Any]:
    return flow(name="under test")(body)(return_state=True)


def test_a_task_outside_of_blocks_commits_at_its_end(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    def body() -> None:
        first()
        second()

    run(body)
    assert diary.lines == ["first", "commit first", "second", "commit second"]


def test_tasks_in_a_block_commit_at_its_end_in_order(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    def body() -> None:
        with transaction() as txn:
            txn.stage(None, on_commit_hooks=[lambda txn: diary.lines.append("commit block")])
            first()
            second()
            diary.lines.append("end of block")
        assert txn.is_committed()

    assert run(body).is_completed()
    assert diary.lines == ["first", "second", "end of block", "commit first", "commit second", "commit block"]


def test_a_failure_rolls_back_the_block_first_and_then_its_tasks_the_last_one_first(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")
    block: list[Transaction] = []

    def body() -> None:
        with transaction() as txn:
            block.append(txn)
            hooks = [lambda txn: diary.lines.append("undo block 1"), lambda txn: diary.lines.append("undo block 2")]
            txn.stage(None, on_rollback_hooks=hooks)
            first()
            second()
            fail()

    with pytest.raises(ValueError, match="no"):
        run(body).result()
    assert diary.lines == ["first", "second", "undo block 2", "undo block 1", "undo second", "undo first"]
    assert block[0].is_rolled_back()


def test_task_runs_that_were_taken_back_end_as_rolled_back(diary: Diary) -> None:
    first = diary.step("first")

    def body() -> None:
        with transaction():
            first()
            fail()

    run(body)
    assert recorded() == {("first", "RolledBack"): 1, ("fail", "Failed"): 1}
    (view,) = connect().list_task_runs(RunFilter(task_names=["first"]), Page())
    view = connect().read_task_run(view.id) or view
    assert view.state.type == "COMPLETED"
    assert view.state.message is not None
    assert "ValueError: no" in view.state.message
    assert [state.name for state in view.states or ()][-2:] == ["Completed", "RolledBack"]
    assert view.result is not None


def test_the_hooks_of_a_task_that_failed_itself_are_not_called(diary: Diary) -> None:
    failing = diary.watch(task(name="failing")(fail.fn), "failing")

    def body() -> None:
        with transaction():
            failing()

    run(body)
    assert diary.lines == []


def test_a_failure_that_the_block_caught_rolls_it_back_all_the_same(diary: Diary) -> None:
    first = diary.step("first")

    def body() -> str:
        with transaction() as txn:
            first()
            assert fail(return_state=True).is_failed()
        assert txn.is_rolled_back()
        return "went on"

    assert run(body).result() == "went on"
    assert diary.lines == ["first", "undo first"]


def test_any_error_of_the_block_rolls_it_back(diary: Diary) -> None:
    first = diary.step("first")

    def body() -> None:
        with transaction():
            first()
            raise KeyError("of the block")

    with pytest.raises(KeyError):
        run(body).result()
    assert diary.lines == ["first", "undo first"]


def test_hooks_get_the_transaction_of_their_task_run(diary: Diary) -> None:
    seen: list[tuple[Any, Any, str]] = []

    @task
    def book(city: str) -> None:
        get_transaction().set("booking", f"train to {city}")

    @book.on_rollback
    def cancel(txn: Transaction) -> None:
        seen.append((txn.get("booking"), txn.get("currency"), txn.task_run.task_name))

    def body() -> None:
        with transaction() as txn:
            txn.set("currency", "EUR")
            book("Rome")
            book("Lyon")
            fail()

    run(body)
    assert seen == [("train to Lyon", "EUR", "book"), ("train to Rome", "EUR", "book")]


def test_a_rollback_hook_that_fails_does_not_keep_the_others_from_running(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    @second.on_rollback
    def broken(txn: Transaction) -> None:
        raise RuntimeError("cannot undo")

    def body() -> None:
        with transaction():
            first()
            second()
            fail()

    run(body)
    assert diary.lines == ["first", "second", "undo second", "undo first"]
    assert recorded() == {("first", "RolledBack"): 1, ("second", "RolledBack"): 1, ("fail", "Failed"): 1}
    (flow_run,) = connect().list_flow_runs(RunFilter(), Page())
    logged = [line.message for line in connect().list_logs(flow_run_id=flow_run.id)]
    assert any("cannot undo" in line and "'broken'" in line for line in logged)


def test_a_commit_hook_that_fails_rolls_back_the_whole_group(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    @second.on_commit
    def broken(txn: Transaction) -> None:
        raise RuntimeError("cannot publish")

    def body() -> str:
        with transaction() as txn:
            first()
            second()
        assert txn.is_rolled_back()
        return "went on"

    assert run(body).result() == "went on"
    assert diary.lines == ["first", "second", "commit first", "commit second", "undo second", "undo first"]
    assert recorded() == {("first", "RolledBack"): 1, ("second", "RolledBack"): 1}


def test_nested_blocks_commit_with_the_outermost_one(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    def body() -> None:
        with transaction() as outer:
            with transaction() as inner:
                first()
            assert inner.is_staged()
            assert inner.get_parent() is outer
            second()
        assert inner.is_committed()

    run(body)
    assert diary.lines == ["first", "second", "commit first", "commit second"]


def test_an_eager_block_inside_is_not_undone_by_a_later_failure_around_it(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    def body() -> None:
        with transaction():
            with transaction(commit_mode=CommitMode.EAGER):
                first()
            second()
            fail()

    run(body)
    assert diary.lines == ["first", "commit first", "second", "undo second"]
    assert recorded()["first", "Completed"] == 1


def test_without_commit_a_block_in_mode_off_is_rolled_back(diary: Diary) -> None:
    first, second = diary.step("first"), diary.step("second")

    def body() -> None:
        with transaction(commit_mode=CommitMode.OFF) as txn:
            first()
        assert txn.is_rolled_back()
        with transaction(commit_mode=CommitMode.OFF) as txn:
            second()
            assert txn.commit()
        assert txn.is_committed()

    assert run(body).is_completed()
    assert diary.lines == ["first", "undo first", "second", "commit second"]


def test_a_rollback_by_hand_goes_all_the_way_up(diary: Diary) -> None:
    first, second, third = diary.step("first"), diary.step("second"), diary.step("third")

    def body() -> None:
        with transaction() as outer:
            first()
            with transaction() as middle, transaction() as inner:
                second()
                assert inner.rollback()
                diary.lines.append("rolled back by hand")
            third()
        assert inner.is_rolled_back()
        assert middle.is_rolled_back()
        assert outer.is_rolled_back()

    assert run(body).is_completed()
    assert diary.lines == [
        "first",
        "second",
        "undo second",
        "rolled back by hand",
        "third",
        "undo third",
        "undo first",
    ]


def test_a_task_that_rolls_itself_back_takes_its_block_with_it(diary: Diary) -> None:
    first = diary.step("first")

    @task(name="regret")
    def regret() -> str:
        get_transaction().rollback()
        return "sorry"

    diary.watch(regret, "regret")

    def body() -> str:
        with transaction():
            first()
            return regret()

    assert run(body).result() == "sorry"
    assert diary.lines == ["first", "undo regret", "undo first"]
    assert recorded() == {("first", "RolledBack"): 1, ("regret", "RolledBack"): 1}


def test_the_end_of_a_block_waits_for_what_was_submitted_in_it(diary: Diary) -> None:
    gate = threading.Event()

    @task
    def slow() -> None:
        gate.wait(10)
        diary.lines.append("slow")

    diary.watch(slow, "slow")
    first = diary.step("first")

    def body() -> None:
        with transaction():
            slow.submit()
            first.submit().wait()
            threading.Timer(0.05, gate.set).start()
            diary.lines.append("end of block")

    run(body)
    assert diary.lines == ["first", "end of block", "slow", "commit slow", "commit first"]


def test_a_submitted_task_that_fails_rolls_back_what_ran_beside_it(diary: Diary) -> None:
    steps = [diary.step(f"step {number}") for number in range(3)]

    def body() -> None:
        with transaction() as txn:
            for step in steps:
                step.submit()
            fail.submit()
        assert txn.is_rolled_back()

    run(body)
    assert diary.lines[3:] == ["undo step 2", "undo step 1", "undo step 0"]


def test_what_could_not_run_for_want_of_an_input_rolls_back_the_block(diary: Diary) -> None:
    first = diary.step("first")

    @task
    def needs(value: Any) -> None: ...

    def body() -> None:
        broken = fail.submit()
        with transaction() as txn:
            first()
            needs.submit(broken)
        assert txn.is_rolled_back()

    run(body)
    assert diary.lines == ["first", "undo first"]


def test_a_skipped_task_neither_commits_nor_rolls_back(diary: Diary) -> None:
    from dalsegno import skip

    skipped = diary.watch(task(name="skipped")(lambda: skip("nothing to do")), "skipped")
    first = diary.step("first")

    def body() -> None:
        with transaction() as txn:
            skipped()
            first()
        assert txn.is_committed()
        with transaction():
            skipped()
            fail()

    run(body)
    assert diary.lines == ["first", "commit first"]
    assert recorded() == {("skipped", "Skipped"): 2, ("first", "Completed"): 1, ("fail", "Failed"): 1}


def test_retries_of_a_task_do_not_roll_back_its_block(diary: Diary) -> None:
    first = diary.step("first")
    left = [ValueError("once"), ValueError("twice")]

    @task(retries=2)
    def flaky() -> None:
        if left:
            raise left.pop()

    def body() -> None:
        with transaction() as txn:
            first()
            flaky()
        assert txn.is_committed()

    assert run(body).is_completed()
    assert diary.lines == ["first", "commit first"]


def test_tasks_called_in_a_task_stand_and_fall_with_it(diary: Diary) -> None:
    inner, before = diary.step("inner"), diary.step("before")
    failures = [ValueError("once")]

    @task(retries=1, name="outer")
    def outer() -> None:
        inner()
        if failures:
            raise failures.pop()

    def body() -> None:
        before()
        outer()

    assert run(body).is_completed()
    assert diary.lines == ["before", "commit before", "inner", "undo inner", "inner", "commit inner"]
    assert recorded() == {
        ("before", "Completed"): 1,
        ("outer", "Completed"): 1,
        ("inner", "RolledBack"): 1,
        ("inner", "Completed"): 1,
    }


def test_a_failure_that_a_task_dealt_with_is_no_failure_of_the_block(diary: Diary) -> None:
    first, inner = diary.step("first"), diary.step("inner")

    @task
    def robust() -> str:
        inner()
        fail(return_state=True)
        return "well"

    def body() -> str:
        with transaction() as txn:
            first()
            result = robust()
        assert txn.is_committed()
        return result

    assert run(body).result() == "well"
    assert diary.lines == ["first", "inner", "undo inner", "commit first"]


def test_a_nested_flow_is_part_of_the_block(diary: Diary) -> None:
    first = diary.step("first")

    @flow(name="nested")
    def nested() -> None:
        first()

    def body() -> None:
        with transaction():
            nested()
            fail()

    run(body)
    assert diary.lines == ["first", "undo first"]
    names = {(run.flow_name, run.state.name) for run in connect().list_flow_runs(RunFilter(), Page())}
    assert names == {("under test", "Failed"), ("nested", "RolledBack")}
    assert recorded() == {("nested", "RolledBack"): 1, ("first", "RolledBack"): 1, ("fail", "Failed"): 1}


def test_what_a_hook_calls_is_no_part_of_what_is_rolled_back(diary: Diary) -> None:
    first = diary.step("first")
    report = diary.step("report")

    @first.on_rollback
    def tell(txn: Transaction) -> None:
        report()

    def body() -> None:
        with transaction():
            first()
            fail()

    run(body)
    assert diary.lines == ["first", "report", "commit report", "undo first"]
    assert recorded()["report", "Completed"] == 1


def test_async_blocks_tasks_and_hooks(diary: Diary) -> None:
    @task(name="book")
    async def book(city: str) -> None:
        txn = get_transaction()
        assert isinstance(txn, AsyncTransaction)
        txn.set("city", city)
        await asyncio.sleep(0)

    @book.on_rollback
    async def cancel(txn: AsyncTransaction) -> None:
        await asyncio.sleep(0)
        diary.lines.append(f"undo {txn.get('city')}")

    @book.on_commit
    async def confirm(txn: AsyncTransaction) -> None:
        await asyncio.sleep(0)
        diary.lines.append(f"commit {txn.get('city')}")

    @flow(name="under test")
    async def travel(fails: bool) -> None:
        async with atransaction() as txn:
            await asyncio.gather(book("Rome"), book("Lyon"))
            book.submit("Bonn")
            if fails:
                await txn.rollback()

    asyncio.run(travel(False))
    assert diary.lines == ["commit Rome", "commit Lyon", "commit Bonn"]
    diary.lines.clear()
    asyncio.run(travel(True))
    assert sorted(diary.lines) == ["undo Bonn", "undo Lyon", "undo Rome"]


def test_a_sync_block_in_an_async_flow_calls_async_hooks(diary: Diary) -> None:
    first = diary.step("first")

    @first.on_commit
    async def confirm(txn: Any) -> None:
        await asyncio.sleep(0)
        diary.lines.append("confirmed")

    @flow
    async def mixed() -> None:
        with transaction():
            first()

    asyncio.run(mixed())
    assert diary.lines == ["first", "commit first", "confirmed"]


def test_cached_results_are_written_by_the_commit_and_not_before(diary: Diary) -> None:
    ran: list[str] = []

    @task(cache_key_fn=lambda context, parameters: "the key")
    def compute() -> int:
        ran.append("ran")
        return 42

    diary.watch(compute, "compute")

    def failing() -> None:
        with transaction():
            compute()
            fail()

    def passing() -> int:
        with transaction():
            value = compute()
            assert connect().find_cached("the key") is None
            return value

    run(failing)
    assert connect().find_cached("the key") is None
    assert run(passing).result() == 42
    assert connect().find_cached("the key") is not None
    assert run(passing_again(compute)).result() == 42
    assert ran == ["ran", "ran"]
    assert diary.lines == ["undo compute", "commit compute"]


def passing_again(compute: Task[[], int]) -> Callable[[], int]:
    def body() -> int:
        with transaction():
            return compute()

    return body


def test_the_transaction_of_the_place() -> None:
    seen: dict[str, Any] = {}

    @task
    def look() -> Any:
        seen["task"] = get_transaction()
        with transaction() as block:
            assert get_transaction() is block
            assert block.get_parent() is seen["task"]
        assert get_transaction() is seen["task"]
        assert Transaction.get_active() is seen["task"]

    def body() -> None:
        assert get_transaction() is None
        look()
        with transaction() as block:
            assert get_transaction() is block
            look()
            assert seen["task"].get_parent() is block
            assert block.children == [seen["task"]]
        assert get_transaction() is None

    run(body).result()
    assert seen["task"].is_committed()


def test_a_task_that_uses_no_transaction_has_none() -> None:
    from dalsegno._engine.context import TaskRunContext

    @task
    def plain() -> Any:
        scope = TaskRunContext.get()
        assert scope is not None
        return scope.transaction

    assert run(lambda: plain()).result() is None


def test_a_run_that_is_cancelled_in_a_block_is_rolled_back(diary: Diary) -> None:
    first = diary.step("first")

    def body() -> None:
        with transaction():
            first()
            scope = FlowRunContext.get()
            assert scope is not None
            scope.session.on_cancel_requested()
            first()

    with pytest.raises(RunCancelled):
        run(body)
    assert diary.lines == ["first", "undo first"]
    assert recorded()["first", "RolledBack"] == 1


def test_what_a_cancelled_run_takes_back_is_not_cancelled_in_its_turn(diary: Diary) -> None:
    first = diary.step("first")
    # The signal that breaks off bodies comes some milliseconds after the engine itself has said that it is over.
    first.on_rollback(lambda txn: time.sleep(0.1))

    def body() -> None:
        with transaction():
            first()
            scope = FlowRunContext.get()
            assert scope is not None
            scope.session.on_cancel_requested()
            first()

    with pytest.raises(RunCancelled):
        run(body)
    assert diary.lines == ["first", "undo first"]
    assert recorded()["first", "RolledBack"] == 1


def test_a_process_that_lost_its_run_leaves_what_it_did_to_the_one_that_took_over(diary: Diary) -> None:
    first = diary.step("first")

    def body() -> None:
        with transaction():
            first()
            scope = FlowRunContext.get()
            assert scope is not None
            scope.session.stop = RunFenced
            first()

    with pytest.raises(RunFenced):
        run(body).result()
    assert diary.lines == ["first"]


def test_a_coroutine_that_outlives_its_block_follows_it(diary: Diary) -> None:
    @task
    async def late(opened: asyncio.Event) -> None:
        await opened.wait()
        diary.lines.append("late")

    diary.watch(late, "late")

    @flow
    async def hasty(fails: bool) -> None:
        opened = asyncio.Event()
        async with atransaction() as txn:
            running = asyncio.create_task(late(opened))
            await asyncio.sleep(0)
            if fails:
                await txn.rollback()
        opened.set()
        await running

    asyncio.run(hasty(False))
    assert diary.lines == ["late", "commit late"]
    diary.lines.clear()
    asyncio.run(hasty(True))
    assert diary.lines == ["late", "undo late"]


def test_generators_streamed_in_a_block_are_part_of_it(diary: Diary) -> None:
    @task
    def rows() -> Any:
        yield from (1, 2)

    diary.watch(rows, "rows")

    def body() -> int:
        with transaction():
            total = sum(rows())
            diary.lines.append("end of block")
            return total

    assert run(body).result() == 3
    assert diary.lines == ["end of block", "commit rows"]


def test_thousands_of_steps_are_taken_back_in_order() -> None:
    taken_back: list[int] = []

    @task
    def add(number: int) -> None:
        get_transaction().set("number", number)

    @add.on_rollback
    def take_back(txn: Transaction) -> None:
        taken_back.append(txn.get("number"))

    def body() -> None:
        with transaction():
            for number in range(2000):
                add(number)
            fail()

    run(body)
    assert taken_back == list(reversed(range(2000)))
