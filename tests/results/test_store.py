"""Values under keys: written by one, read by another, gone when they expire, locked while they are made."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

import dalsegno.results
from dalsegno.exceptions import ConfigurationError, MissingResult, SignatureMismatch
from dalsegno.locking.memory import MemoryLockManager
from dalsegno.model.ids import new_id
from dalsegno.model.results import unpack_stored
from dalsegno.model.views import CacheEntry
from dalsegno.results import ResultStore, get_result_store
from dalsegno.results.limits import ResultLimits
from dalsegno.results.store import current_result_store


class Table:
    """Stands for a backend's cache table."""

    def __init__(self) -> None:
        self.entries: dict[str, CacheEntry] = {}
        self.blobs: dict[bytes, bytes] = {}

    def find_cached(self, key: str) -> CacheEntry | None:
        return self.entries.get(key)

    def put_cached(self, entry: CacheEntry, data: bytes | None = None) -> None:
        self.entries[entry.key] = entry
        stored = unpack_stored(entry.result)
        if stored is not None and stored.blob is not None:
            assert data is not None
            self.blobs[stored.blob] = data

    def read_blob(self, id: bytes) -> bytes | None:
        return self.blobs.get(id)


class Now:
    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture(params=["folder", "memory", "default", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path, now: Now) -> ResultStore:
    if request.param == "table":
        limits = ResultLimits(inline=100, blob=1000, storage=str(tmp_path / "large"))
        return ResultStore(cache=Table(), clock=now, limits=limits)
    place = {"folder": str(tmp_path / "mine"), "memory": f"memory://{new_id().hex()}", "default": None}
    return ResultStore(place[request.param], clock=now)


@pytest.mark.parametrize("value", [None, 42, "x" * 500, "x" * 5000, (1, 2), ("x" * 500,), ("x" * 5000,)], ids=repr)
def test_a_value_comes_back(store: ResultStore, value: Any) -> None:
    assert store.write(value, key="answer") == "answer"
    record = store.read("answer")
    assert record.result == value
    assert type(record.result) is type(value)
    assert record.metadata.storage_key == "answer"
    assert record.expiration is None
    assert record.metadata.serializer == ("pickle" if isinstance(value, tuple) else "msgpack")


def test_what_was_never_written_is_missing(store: ResultStore) -> None:
    assert not store.exists("answer")
    with pytest.raises(MissingResult, match="no record under the key 'answer'"):
        store.read("answer")


def test_a_later_value_takes_the_place_of_an_earlier_one(store: ResultStore) -> None:
    for value in (1, ("x" * 5000,), ("y" * 5000,), 2):
        store.write(value, key="answer")
        assert store.read("answer").result == value


def test_large_values_that_were_replaced_leave_no_file_behind(tmp_path: Path) -> None:
    limits = ResultLimits(inline=100, blob=1000, storage=str(tmp_path / "large"))
    store = ResultStore(cache=Table(), limits=limits)
    for n in range(3):
        store.write(("x" * 5000, n), key="answer")
    assert len([path for path in (tmp_path / "large").rglob("*") if path.is_file()]) == 1
    assert store.read("answer").result[1] == 2


def test_a_record_ends_when_it_expires(store: ResultStore, now: Now) -> None:
    end = datetime.datetime.fromtimestamp(now.seconds + 60, datetime.UTC)
    store.write(42, key="answer", expiration=end)
    now.seconds += 59
    assert store.exists("answer")
    assert store.read("answer").expiration == end
    now.seconds += 1
    assert not store.exists("answer")
    with pytest.raises(MissingResult, match="expired"):
        store.read("answer")


def test_without_a_key_there_is_a_new_one(store: ResultStore) -> None:
    one, other = store.write(1), store.write(2)
    assert one != other
    assert store.read(one).result == 1


def test_keys_may_have_folders_but_do_not_lead_out(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "mine")
    store.write(1, key="day/a")
    store.write(2, key="day")
    assert (store.read("day/a").result, store.read("day").result) == (1, 2)
    with pytest.raises(ConfigurationError, match="does not name a file inside"):
        store.write(1, key="../a")


def test_a_record_that_was_copied_under_another_key_is_refused(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "mine")
    store.write((1,), key="a")
    (tmp_path / "mine/a.record").rename(tmp_path / "mine/b.record")
    with pytest.raises(SignatureMismatch):
        store.read("b")


def test_another_store_on_the_same_folder_reads_it(tmp_path: Path) -> None:
    ResultStore(tmp_path / "mine", serializer="json").write({"a": 1}, key="k")
    record = ResultStore(tmp_path / "mine").read("k")
    assert record.result == {"a": 1}
    assert record.metadata.serializer == "json"


# --- locks


def test_a_locked_key_is_written_by_its_holder_alone(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "mine", lock_manager=MemoryLockManager())
    key = str(tmp_path.name)
    assert store.supports_isolation
    assert store.acquire_lock(key, holder="me")
    assert store.is_locked(key)
    assert store.is_lock_holder(key, "me")
    assert not store.acquire_lock(key, holder="you", timeout=0)
    assert not store.wait_for_lock(key, timeout=0)
    with pytest.raises(RuntimeError, match="locked by another holder"):
        store.write(1, key=key, holder="you")
    store.write(1, key=key, holder="me")
    store.release_lock(key, holder="me")
    assert store.wait_for_lock(key, timeout=0)
    store.write(2, key=key, holder="you")


def test_the_caller_is_the_holder_if_none_is_named(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "mine", lock_manager=MemoryLockManager())
    key = str(tmp_path.name)
    assert store.acquire_lock(key)
    assert store.is_lock_holder(key)
    store.write(1, key=key)
    store.release_lock(key)


def test_coroutines_of_one_thread_are_different_holders(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "mine", lock_manager=MemoryLockManager())
    key = str(tmp_path.name)

    async def both() -> tuple[bool, bool]:
        first = await store.aacquire_lock(key)
        second = await asyncio.create_task(store.aacquire_lock(key, timeout=0))
        await store.awrite(1, key=key)
        assert await store.aexists(key)
        assert (await store.aread(key)).result == 1
        store.release_lock(key)
        assert await store.await_for_lock(key)
        return first, second

    assert asyncio.run(both()) == (True, False)


def test_without_a_lock_manager_locking_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no lock manager"):
        ResultStore(tmp_path).acquire_lock("k")


# --- what runs ask for


class Spec:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def test_flows_and_tasks_may_ask_for_a_storage_and_a_serializer(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "a", serializer="json")
    locks = MemoryLockManager()
    policy = Spec(key_storage=tmp_path / "c", lock_manager=locks)
    of_flow = store.update_for_flow(Spec(result_storage=tmp_path / "b", result_serializer=None))
    of_task = of_flow.update_for_task(Spec(cache_policy=policy, result_serializer="pickle"))
    assert (store.storage, of_flow.storage, of_task.storage) == tuple(str(tmp_path / name) for name in "abc")
    assert (of_flow.serializer, of_task.serializer) == ("json", "pickle")
    assert (of_flow.lock_manager, of_task.lock_manager) == (None, locks)


def test_the_store_in_use_is_that_of_the_run(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    token = current_result_store.set(store)
    try:
        assert get_result_store() is store
    finally:
        current_result_store.reset(token)
    assert get_result_store() is not store


def test_the_package_knows_its_names_only() -> None:
    assert all(hasattr(dalsegno.results, name) for name in dalsegno.results.__all__)
    assert not hasattr(dalsegno.results, "nosuch")
