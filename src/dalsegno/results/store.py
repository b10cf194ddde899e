"""Values under keys that outlive runs: for transactions with a key, and for caching with a storage of its
own.

Begin with `ResultStore.write` and `read`. What belongs to one run is kept by `encoding`, not here.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from dalsegno.exceptions import ConfigurationError, MissingResult
from dalsegno.model.ids import new_id
from dalsegno.model.results import unpack_stored
from dalsegno.model.views import CacheEntry
from dalsegno.results.encoding import (
    MSGPACK,
    cache_address,
    decode_result,
    delete_stored,
    encode_result,
)
from dalsegno.results.files import file_exists, join, read_file, write_file
from dalsegno.results.limits import ResultLimits, current_limits
from dalsegno.results.record import ResultRecord, ResultRecordMetadata
from dalsegno.results.signing import KEY_FILE, Signer
from dalsegno.serializers import Serializer

_SUFFIX = ".record"


class CacheTable(Protocol):
    """The part of a backend that keeps records in its database."""

    def find_cached(self, key: str) -> CacheEntry | None: ...
    def put_cached(self, entry: CacheEntry, data: bytes | None = None) -> None: ...
    def read_blob(self, id: bytes) -> bytes | None: ...


class Locks(Protocol):
    """The part of a lock manager (`dalsegno.locking`) that a store uses."""

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool: ...
    def release_lock(self, key: str, holder: str) -> None: ...
    def is_locked(self, key: str) -> bool: ...
    def is_lock_holder(self, key: str, holder: str) -> bool: ...
    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool: ...


def default_holder() -> str:
    """Return what names the caller as a holder of locks: its machine, process, thread and asyncio task."""
    name = f"{os.uname().nodename}:{os.getpid()}:{threading.get_ident()}"
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return name
    return name if task is None else f"{name}:{id(task)}"


class ResultStore:
    """Records under keys, in a folder (or fsspec URL), or in a backend's cache table.

    With a `storage` records are files in it, without one they are rows of `cache`; with neither they are
    files in the folder that the setting results.storage names. Everything is safe to use from many threads
    and processes.

    Example:
        >>> store = ResultStore(storage="s3://lake/results")
        >>> store.write(42, key="answer")
        >>> store.read("answer").result
        42
    """

    def __init__(
        self,
        storage: str | os.PathLike[str] | None = None,
        *,
        cache: CacheTable | None = None,
        serializer: str | Serializer | None = None,
        lock_manager: Locks | None = None,
        signer: Signer | None = None,
        limits: ResultLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.storage = None if storage is None else os.fspath(storage)
        self.serializer = serializer
        self.lock_manager = lock_manager
        self._cache = cache
        self._limits = limits or current_limits()
        self._signer = signer or _home_signer()
        self._clock = clock

    def read(self, key: str) -> ResultRecord[Any]:
        """Return the record under a key.

        Raises MissingResult if there is none or it has expired, SignatureMismatch, EncryptionKeyError,
        SerializationError, StorageError.
        """
        entry = self._find(key)
        if entry is None:
            raise MissingResult(f"There is no record under the key {key!r}, or it has expired.")
        value = decode_result(entry.result, read_blob=self._read_blob, signer=self._signer, address=cache_address(key))
        stored = unpack_stored(entry.result)
        expiration = None if entry.expires is None else datetime.fromtimestamp(entry.expires / 1e6, UTC)
        serializer = MSGPACK if stored is None else stored.serializer
        return ResultRecord(value, ResultRecordMetadata(key, expiration, serializer))

    def write(
        self,
        obj: Any,
        key: str | None = None,
        expiration: datetime | None = None,
        holder: str | None = None,
    ) -> str:
        """Write a value under a key, in place of what was there, and return the key; without one it gets a
        new one.

        `expiration` needs a time zone. Raises RuntimeError while the key is locked by another holder, and
        SerializationError or StorageError.
        """
        key = key or new_id().hex()
        self._check_lock(key, holder)
        expires = None if expiration is None else int(expiration.timestamp() * 1e6)
        if self._uses_table():
            self._write_row(key, obj, expires)
        else:
            write_file(self._url(key), self._encode(key, obj, expires, self._limits.largest))
        return key

    def exists(self, key: str) -> bool:
        """Say whether there is a record that has not expired."""
        if not self._uses_table() and not file_exists(self._url(key)):
            return False
        return self._find(key) is not None

    def update_for_flow(self, flow: Any) -> ResultStore:
        """Return a store with the storage and serializer that a flow asks for, if it does."""
        return self._with(
            storage=getattr(flow, "result_storage", None), serializer=getattr(flow, "result_serializer", None)
        )

    def update_for_task(self, task: Any) -> ResultStore:
        """Return a store with what a task and its cache policy ask for, if they do."""
        policy = getattr(task, "cache_policy", None)
        return self._with(
            storage=getattr(policy, "key_storage", None) or getattr(task, "result_storage", None),
            serializer=getattr(task, "result_serializer", None),
            lock_manager=getattr(policy, "lock_manager", None),
        )

    # --- locks

    def acquire_lock(self, key: str, holder: str | None = None, timeout: float | None = None) -> bool:
        """Lock a key; False if that takes longer than `timeout` seconds. Raises ConfigurationError without a
        manager.
        """
        return self._locks().acquire_lock(key, holder or default_holder(), timeout)

    def release_lock(self, key: str, holder: str | None = None) -> None:
        """Unlock a key. Raises ValueError if the holder does not hold it."""
        self._locks().release_lock(key, holder or default_holder())

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until a key is not locked; False if that takes longer than `timeout` seconds."""
        return self._locks().wait_for_lock(key, timeout)

    def is_locked(self, key: str) -> bool:
        """Say whether anyone holds the lock of a key."""
        return self._locks().is_locked(key)

    def is_lock_holder(self, key: str, holder: str | None = None) -> bool:
        """Say whether the holder holds the lock of a key."""
        return self._locks().is_lock_holder(key, holder or default_holder())

    @property
    def supports_isolation(self) -> bool:
        """Whether there is a lock manager, which IsolationLevel.SERIALIZABLE needs."""
        return self.lock_manager is not None

    # --- the same for coroutines, in a thread

    async def aread(self, key: str) -> ResultRecord[Any]:
        """Like `read`."""
        return await asyncio.to_thread(self.read, key)

    async def awrite(
        self,
        obj: Any,
        key: str | None = None,
        expiration: datetime | None = None,
        holder: str | None = None,
    ) -> str:
        """Like `write`."""
        return await asyncio.to_thread(self.write, obj, key, expiration, holder or default_holder())

    async def aexists(self, key: str) -> bool:
        """Like `exists`."""
        return await asyncio.to_thread(self.exists, key)

    async def aacquire_lock(self, key: str, holder: str | None = None, timeout: float | None = None) -> bool:
        """Like `acquire_lock`."""
        return await asyncio.to_thread(self.acquire_lock, key, holder or default_holder(), timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Like `wait_for_lock`."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)

    # --- inside

    def _uses_table(self) -> bool:
        return self.storage is None and self._cache is not None

    def _url(self, key: str) -> str:
        return join(self.storage or self._limits.storage, key + _SUFFIX)

    def _find(self, key: str) -> CacheEntry | None:
        entry = self._cache.find_cached(key) if self.storage is None and self._cache else self._read_file(key)
        expired = entry is not None and entry.expires is not None and entry.expires <= self._clock() * 1e6
        return None if expired else entry

    def _read_file(self, key: str) -> CacheEntry | None:
        try:
            packed = read_file(self._url(key))
        except MissingResult:
            return None
        stored = unpack_stored(packed)
        expires = None if stored is None else stored.expires
        return CacheEntry(key=key, result=packed, task_run_id=None, created=0, expires=expires)

    def _write_row(self, key: str, obj: Any, expires: int | None) -> None:
        assert self._cache is not None
        before = self._cache.find_cached(key)
        # Ids of its own: no file that an entry refers to is written over, so readers of the old one are safe.
        encoded = encode_result(
            obj,
            task_run_id=new_id(),
            run_count=0,
            root_run_id=new_id(),
            signer=self._signer,
            serializer=self.serializer,
            key_address=cache_address(key),
            limits=self._limits,
        )
        entry = CacheEntry(
            key=key,
            result=encoded.packed,
            task_run_id=None,
            created=int(self._clock() * 1e6),
            expires=expires,
        )
        self._cache.put_cached(entry, encoded.blob and encoded.blob.data)
        if before is not None:
            delete_stored(before.result)

    def _encode(self, key: str, obj: Any, expires: int | None, inline: int) -> bytes:
        """Return a record as the content of a file: all in line."""
        limits = msgspec.structs.replace(self._limits, inline=inline, blob=inline)
        return encode_result(
            obj,
            task_run_id=b"",
            run_count=0,
            root_run_id=b"",
            signer=self._signer,
            serializer=self.serializer,
            expires=expires,
            key_address=cache_address(key),
            limits=limits,
        ).packed

    def _read_blob(self, id: bytes) -> bytes | None:
        return None if self._cache is None else self._cache.read_blob(id)

    def _check_lock(self, key: str, holder: str | None) -> None:
        locks = self.lock_manager
        if locks is not None and locks.is_locked(key) and not locks.is_lock_holder(key, holder or default_holder()):
            raise RuntimeError(
                f"The record {key!r} is locked by another holder. Acquire its lock before writing, or write"
                " with the isolation level SERIALIZABLE."
            )

    def _locks(self) -> Locks:
        if self.lock_manager is None:
            raise ConfigurationError(
                "This result store has no lock manager. Give it one, as lock_manager=: MemoryLockManager()"
                " within one process, FileSystemLockManager(folder) between processes."
            )
        return self.lock_manager

    def _with(self, *, storage: Any = None, serializer: Any = None, lock_manager: Any = None) -> ResultStore:
        return ResultStore(
            self.storage if storage is None else str(storage),
            cache=self._cache,
            serializer=self.serializer if serializer is None else serializer,
            lock_manager=self.lock_manager if lock_manager is None else lock_manager,
            signer=self._signer,
            limits=self._limits,
            clock=self._clock,
        )


current_result_store: ContextVar[ResultStore | None] = ContextVar("dalsegno_result_store", default=None)
"""The store of the run that is executed here, if it has one."""


def get_result_store() -> ResultStore:
    """Return the store in use here: that of the run, else one over the setting results.storage."""
    return current_result_store.get() or ResultStore()


def _home_signer() -> Signer:
    from dalsegno.settings import get_current_settings

    return Signer(get_current_settings().home / KEY_FILE)
