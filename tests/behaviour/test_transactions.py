"""Work that stands as a whole, or is taken back as a whole."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock, fail

from dalsegno import flow, task
from dalsegno.context import FlowRunContext
from dalsegno.exceptions import ConfigurationError, RunCancelled
from dalsegno.locking.memory import MemoryLockManager
from dalsegno.results import ResultStore
from dalsegno.runtime import flow_run
from dalsegno.transactions import CommitMode, IsolationLevel, atransaction, get_transaction, transaction


class Journal:
    """Makes steps, tasks whose hooks note when they commit and roll back."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, name: str) -> Any:
        made = task(name=name)(lambda: self.notes.append(f"do {name}"))
        made.on_commit(lambda _: self.notes.append(f"commit {name}"))
        made.on_rollback(lambda _: self.notes.append(f"undo {name}"))
        return made

    def hook(self, note: str) -> Any:
        return lambda _: self.notes.append(note)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "records")


@pytest.mark.behaviour(77, 92)
def test_a_task_run_by_itself_commits_at_its_end(journal: Journal) -> None:
    @flow
    def orders() -> None:
        journal.step("a")()
        journal.notes.append("after")

    orders()
    assert journal.notes == ["do a", "commit a", "after"]


@pytest.mark.behaviour(92)
def test_in_a_block_task_runs_commit_at_its_end(journal: Journal) -> None:
    @flow
    def orders() -> None:
        with transaction() as txn:
            txn.stage(None, on_commit_hooks=[journal.hook("commit the block")])
            journal.step("a")()
            journal.step("b")()
            journal.notes.append("end of block")

    orders()
    assert journal.notes == ["do a", "do b", "end of block", "commit a", "commit b", "commit the block"]


@pytest.mark.behaviour(92, 97)
def test_when_a_block_fails_its_task_runs_are_rolled_back(journal: Journal) -> None:
    futures: list[Any] = []

    @flow
    def orders() -> None:
        with transaction():
            futures.append(journal.step("a").submit())
            futures[0].wait()
            raise OutOfStock

    with pytest.raises(OutOfStock):
        orders()
    assert journal.notes == ["do a", "undo a"]
    assert (futures[0].state.name, futures[0].state.type.value) == ("RolledBack", "COMPLETED")


@pytest.mark.behaviour(93)
def test_rolling_back_goes_backwards_its_own_hooks_first(journal: Journal) -> None:
    @flow
    def orders() -> None:
        with transaction() as txn:
            txn.stage(None, on_rollback_hooks=[journal.hook("undo 1"), journal.hook("undo 2")])
            journal.step("a")()
            journal.step("b")()
            raise OutOfStock("no tea")

    with pytest.raises(OutOfStock, match="no tea"):
        orders()
    assert journal.notes == ["do a", "do b", "undo 2", "undo 1", "undo b", "undo a"]


@pytest.mark.behaviour(93)
def test_a_failed_task_rolls_the_block_back_though_its_error_was_caught(journal: Journal) -> None:
    @flow
    def orders() -> str:
        with transaction():
            journal.step("a")()
            with pytest.raises(OutOfStock):
                fail()
        return "went on"

    assert orders() == "went on"
    assert journal.notes == ["do a", "undo a"]


@pytest.mark.behaviour(93)
def test_rolling_back_inside_rolls_back_all_the_way_up(journal: Journal) -> None:
    @flow
    def orders() -> None:
        with transaction():
            journal.step("a")()
            with transaction() as inner:
                journal.step("b")()
                inner.rollback()

    orders()
    assert journal.notes == ["do a", "do b", "undo b", "undo a"]


def nested(journal: Journal, mode: CommitMode | None, *, commit: bool = False) -> None:
    """Run a step in a block of this mode, in a block that fails."""

    @flow
    def orders() -> None:
        with transaction():
            with transaction(commit_mode=mode) as inner:
                journal.step("a")()
                if commit:
                    inner.commit()
            journal.notes.append("end of inner")
            raise OutOfStock

    with pytest.raises(OutOfStock):
        orders()


@pytest.mark.behaviour(94)
@pytest.mark.parametrize("mode", [None, CommitMode.LAZY])
def test_a_lazy_block_waits_for_the_one_around(journal: Journal, mode: CommitMode | None) -> None:
    nested(journal, mode)
    assert journal.notes == ["do a", "end of inner", "undo a"]


@pytest.mark.behaviour(94)
def test_an_eager_block_commits_for_good(journal: Journal) -> None:
    nested(journal, CommitMode.EAGER)
    assert journal.notes == ["do a", "commit a", "end of inner"]


@pytest.mark.behaviour(94)
def test_a_block_that_is_off_commits_only_when_told(journal: Journal) -> None:
    @flow
    def orders(commit: bool) -> None:
        with transaction(commit_mode=CommitMode.OFF) as txn:
            journal.step("a")()
            if commit:
                txn.commit()

    orders(True)
    orders(False)
    assert journal.notes == ["do a", "commit a", "do a", "undo a"]


@pytest.mark.behaviour(94)
def test_an_error_in_a_commit_hook_rolls_back(journal: Journal) -> None:
    def broken(_: Any) -> None:
        raise OutOfStock

    @flow
    def orders() -> None:
        with transaction() as txn:
            journal.step("a")()
            txn.stage(None, on_commit_hooks=[broken])

    orders()
    assert journal.notes == ["do a", "commit a", "undo a"]


@pytest.mark.behaviour(95)
def test_what_was_committed_under_a_key_is_there_from_the_start(store: ResultStore) -> None:
    with transaction("k", store) as first:
        assert not first.is_committed()
        first.stage({"rows": 3})
    with transaction("k", store) as second:
        assert second.is_committed()
        assert second.read().result == {"rows": 3}
        second.stage("too late")
    with transaction("k", store, overwrite=True) as third:
        assert not third.is_committed()
        third.stage("anew")
    with transaction("k", store) as fourth:
        assert fourth.read().result == "anew"


@pytest.mark.behaviour(95)
def test_nothing_is_written_without_a_commit_or_where_that_is_not_wanted(store: ResultStore) -> None:
    with transaction("k", store, write_on_commit=False) as txn:
        txn.stage(1)
    with transaction("k", store) as txn:
        txn.stage(2)
        txn.rollback()
    with transaction("k", store) as txn:
        assert not txn.is_committed()
        assert txn.read() is None


@pytest.mark.behaviour(96)
def test_values_are_seen_from_inside_as_copies() -> None:
    with transaction() as outer:
        outer.set("tables", ["a"])
        with transaction() as inner:
            inner.get("tables").append("b")
            assert inner.get("tables") == ["a"]
            inner.set("tables", ["c"])
            assert inner.get("tables") == ["c"]
        assert outer.get("tables") == ["a"]
        assert outer.get("missing", None) is None
        with pytest.raises(ValueError, match="missing"):
            outer.get("missing")


@pytest.mark.behaviour(96)
def test_hooks_find_what_the_body_of_their_task_set() -> None:
    found: list[str] = []

    @task
    def load() -> None:
        get_transaction().set("table", "orders_tmp")

    load.on_rollback(lambda txn: found.append(txn.get("table")))

    @flow
    def orders() -> None:
        with transaction():
            load()
            raise OutOfStock

    with pytest.raises(OutOfStock):
        orders()
    assert found == ["orders_tmp"]


@pytest.mark.behaviour(97)
def test_isolation_is_inherited_and_needs_a_lock_manager(store: ResultStore, tmp_path: Path) -> None:
    locking = ResultStore(tmp_path / "locked", lock_manager=MemoryLockManager())
    with transaction("k", locking) as plain:
        assert plain.isolation_level is IsolationLevel.READ_COMMITTED
    with transaction("k", locking, isolation_level=IsolationLevel.SERIALIZABLE), transaction("l") as inner:
        assert inner.isolation_level is IsolationLevel.SERIALIZABLE
    with (
        pytest.raises(ConfigurationError, match="lock manager"),
        transaction("k", store, isolation_level=IsolationLevel.SERIALIZABLE),
    ):
        pass


@pytest.mark.behaviour(97)
def test_what_was_rolled_back_runs_again_with_its_flow(journal: Journal) -> None:
    @flow(retries=1)
    def orders() -> None:
        with transaction():
            journal.step("a")()
            if flow_run.run_count == 1:
                raise OutOfStock

    orders()
    assert journal.notes == ["do a", "undo a", "do a", "commit a"]


@pytest.mark.behaviour(97)
def test_the_innermost_transaction_can_be_asked_for() -> None:
    assert get_transaction() is None
    with transaction() as outer:
        with transaction() as inner:
            assert get_transaction() is inner
        assert get_transaction() is outer


@pytest.mark.behaviour(92)
def test_async_code_has_the_same(journal: Journal) -> None:
    @flow
    async def orders(spoil: bool) -> None:
        async with atransaction():
            journal.step("a")()
            if spoil:
                raise OutOfStock

    asyncio.run(orders(False))
    with pytest.raises(OutOfStock):
        asyncio.run(orders(True))
    assert journal.notes == ["do a", "commit a", "do a", "undo a"]


@pytest.mark.behaviour(167)
def test_what_a_cancelled_run_takes_back_is_not_broken_off_by_the_same_wish() -> None:
    journal = Journal()
    first = journal.step("first")
    # Long enough for the wish to come by a signal too.
    first.on_rollback(lambda _: time.sleep(0.1))

    @flow
    def outer() -> None:
        with transaction():
            first()
            scope = FlowRunContext.get()
            assert scope is not None
            scope.session.on_cancel_requested()
            first()

    with pytest.raises(RunCancelled):
        outer()
    assert journal.notes == ["do first", "undo first"]
