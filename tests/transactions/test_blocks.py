"""Transactions by themselves, outside of runs: keys and records, values, isolation, states."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dalsegno
from dalsegno.exceptions import ConfigurationError
from dalsegno.locking.memory import MemoryLockManager
from dalsegno.results import ResultStore
from dalsegno.tasks import task
from dalsegno.transactions import (
    AsyncTransaction,
    CommitMode,
    IsolationLevel,
    Transaction,
    TransactionState,
    atransaction,
    get_transaction,
    transaction,
)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "records", lock_manager=MemoryLockManager())


def in_failing_block(do: Callable[[], Any], **options: Any) -> None:
    with transaction(**options):
        do()
        raise KeyError


def result_of(txn: Transaction) -> Any:
    record = txn.read()
    assert record is not None
    return record.result


# --- states


def test_a_transaction_goes_from_pending_to_committed() -> None:
    txn = transaction()
    assert isinstance(txn, dalsegno.Transaction)
    assert txn.is_pending()
    with txn:
        assert txn.is_active()
        txn.stage(1)
        assert txn.is_staged()
    assert txn.is_committed()
    assert txn.state is TransactionState.COMMITTED


def test_an_error_goes_on_and_leaves_the_transaction_rolled_back() -> None:
    with pytest.raises(KeyError), transaction() as txn:
        raise KeyError
    assert txn.is_rolled_back()


def test_there_is_a_transaction_only_in_its_block() -> None:
    assert get_transaction() is None
    with transaction() as outer:
        assert get_transaction() is outer
        with transaction() as inner:
            assert get_transaction() is Transaction.get_active() is inner
            assert inner.get_parent() is outer
        assert outer.children == [inner]
        assert get_transaction() is outer
    assert outer.get_parent() is None
    assert get_transaction() is None


def test_by_default_the_outermost_one_is_eager_and_those_inside_are_lazy() -> None:
    with transaction() as outer, transaction() as inner:
        assert outer.commit_mode is CommitMode.EAGER
        assert inner.commit_mode is CommitMode.LAZY


def test_it_can_be_led_by_hand() -> None:
    txn = Transaction()
    seen: list[str] = []
    txn.begin()
    txn.stage(1, on_commit_hooks=[lambda txn: seen.append("commit")])
    txn.run_hook(lambda txn: seen.append(txn.state.name), "test")
    assert txn.commit()
    assert not txn.commit()
    assert not txn.rollback()
    txn.reset()
    assert seen == ["STAGED", "commit"]


def test_tasks_outside_of_flows_are_part_of_it() -> None:
    seen: list[str] = []

    @task
    def work(name: str) -> None:
        get_transaction().set("name", name)

    work.on_rollback(lambda txn: seen.append(f"undo {txn.get('name')}"))
    work.on_commit(lambda txn: seen.append(f"commit {txn.get('name')}"))
    with transaction():
        work("a")
        work("b")
        assert seen == []
    assert seen == ["commit a", "commit b"]
    seen.clear()
    with pytest.raises(KeyError):
        in_failing_block(lambda: (work("a"), work("b")))
    assert seen == ["undo b", "undo a"]


def test_flows_called_in_a_block_are_part_of_it() -> None:
    seen: list[str] = []

    @task
    def work() -> None: ...

    work.on_rollback(lambda txn: seen.append("undo"))
    work.on_commit(lambda txn: seen.append("commit"))

    @dalsegno.flow
    def nightly() -> None:
        work()

    with transaction():
        nightly()
        assert seen == []
    assert seen == ["commit"]
    with pytest.raises(KeyError):
        in_failing_block(nightly)
    assert seen == ["commit", "undo"]


# --- keys


def test_what_was_committed_under_a_key_is_there_the_next_time(store: ResultStore) -> None:
    with transaction(key="orders", store=store) as first:
        assert not first.is_committed()
        assert first.read() is None
        first.stage({"rows": 3})
    assert store.read("orders").result == {"rows": 3}
    with transaction(key="orders", store=store) as second:
        assert second.is_committed()
        assert result_of(second) == {"rows": 3}
        second.stage("not written")
    assert store.read("orders").result == {"rows": 3}


def test_the_usual_store_is_that_of_the_place() -> None:
    with transaction(key="orders"):
        pass
    with transaction(key="orders") as txn:
        assert txn.is_committed()
        assert result_of(txn) is None


def test_overwrite_takes_no_notice_of_a_record(store: ResultStore) -> None:
    store.write(1, key="orders")
    with transaction(key="orders", store=store, overwrite=True) as txn:
        assert not txn.is_committed()
        txn.stage(2)
    assert store.read("orders").result == 2


def test_without_write_on_commit_nothing_is_written(store: ResultStore) -> None:
    with transaction(key="orders", store=store, write_on_commit=False) as txn:
        txn.stage(2)
    assert txn.is_committed()
    assert not store.exists("orders")


def test_a_rolled_back_transaction_writes_nothing(store: ResultStore) -> None:
    with pytest.raises(KeyError):
        in_failing_block(lambda: get_transaction().stage(2), key="orders", store=store)
    assert not store.exists("orders")


def test_records_of_nested_ones_are_written_with_the_outermost_one(store: ResultStore) -> None:
    with transaction(store=store, key="outer"):
        with transaction(key="inner") as inner:
            inner.stage(1)
        assert not store.exists("inner")
    assert store.exists("inner")
    assert store.exists("outer")


def test_a_commit_hook_that_fails_leaves_no_record(store: ResultStore) -> None:
    def broken(txn: Transaction) -> None:
        raise RuntimeError("no")

    with transaction(key="orders", store=store) as txn:
        txn.stage(1, on_commit_hooks=[broken])
    assert txn.is_rolled_back()
    assert not store.exists("orders")


# --- values


def test_a_child_sees_copies_of_its_parents_values() -> None:
    with transaction() as outer:
        outer.set("rows", [1])
        with transaction() as inner:
            inner.get("rows").append(2)
            assert inner.get("rows") == [1]
            inner.set("rows", [3])
            assert inner.get("rows") == [3]
        assert outer.get("rows") == [1]


def test_what_cannot_be_copied_is_seen_as_it_is() -> None:
    lock = threading.Lock()
    with transaction() as outer, transaction() as inner:
        outer.set("lock", lock)
        assert inner.get("lock") is lock


def test_an_unknown_name_is_an_error_unless_there_is_a_default() -> None:
    with transaction() as txn:
        with pytest.raises(ValueError, match="'rows'"):
            txn.get("rows")
        assert txn.get("rows", None) is None
        assert txn.get("rows", 3) == 3


# --- isolation


def test_serializable_needs_a_lock_manager(tmp_path: Path) -> None:
    without = ResultStore(tmp_path)
    with pytest.raises(ConfigurationError, match="lock manager"):
        transaction(key="k", store=without, isolation_level=IsolationLevel.SERIALIZABLE).begin()
    assert get_transaction() is None


def test_isolation_is_inherited(store: ResultStore) -> None:
    with transaction() as txn:
        assert txn.isolation_level is IsolationLevel.READ_COMMITTED
    with transaction(key="a", store=store, isolation_level=IsolationLevel.SERIALIZABLE), transaction() as inner:
        assert inner.isolation_level is IsolationLevel.SERIALIZABLE


def test_a_serializable_key_is_locked_until_the_end(store: ResultStore) -> None:
    with transaction(key="k", store=store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
        assert store.is_locked("k")
        with transaction(key="k") as again:
            assert again.isolation_level is IsolationLevel.SERIALIZABLE
        txn.stage(1)
    assert not store.is_locked("k")
    with pytest.raises(KeyError), transaction(key="j", store=store, isolation_level=IsolationLevel.SERIALIZABLE):
        raise KeyError
    assert not store.is_locked("j")


def test_of_two_that_are_serializable_the_second_finds_the_record_of_the_first(store: ResultStore) -> None:
    inside = threading.Event()
    wrote: list[bool] = []

    def work() -> None:
        with transaction(key="k", store=store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
            inside.set()
            wrote.append(not txn.is_committed())
            txn.stage(1)

    with transaction(key="k", store=store, isolation_level=IsolationLevel.SERIALIZABLE) as txn:
        second = threading.Thread(target=work)
        second.start()
        assert not inside.wait(0.1)
        txn.stage(2)
    second.join(10)
    assert wrote == [False]
    assert store.read("k").result == 2


# --- async


def test_the_async_transaction_does_the_same(store: ResultStore) -> None:
    seen: list[str] = []

    async def note(txn: AsyncTransaction) -> None:
        await asyncio.sleep(0)
        seen.append(txn.get("name"))

    async def main() -> None:
        async with atransaction(key="k", store=store) as txn:
            txn.set("name", "outer")
            txn.stage(5, on_commit_hooks=[note])
            async with atransaction() as inner:
                inner.set("name", "inner")
                inner.stage(None, on_commit_hooks=[note])
                assert get_transaction() is inner
        assert txn.is_committed()
        async with atransaction(key="k", store=store) as again:
            assert again.is_committed()
            record = await again.read()
            assert record is not None
            assert record.result == 5
        with pytest.raises(KeyError):
            async with atransaction() as broken:
                raise KeyError
        assert broken.is_rolled_back()
        by_hand = AsyncTransaction()
        await by_hand.begin()
        assert await by_hand.rollback()
        assert not await by_hand.commit()
        await by_hand.reset()

    asyncio.run(main())
    assert seen == ["inner", "outer"]
