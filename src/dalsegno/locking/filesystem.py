"""Locks between processes that share a folder. A holder that has crashed holds nothing any more."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec

from dalsegno._processes import current_process, is_alive
from dalsegno.exceptions import StorageError
from dalsegno.locking.protocol import LockManager, check_holder
from dalsegno.model.records import ProcessRecord

_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


class _Held(msgspec.Struct, frozen=True):
    """The content of a lock file."""

    key: str
    holder: str
    process: ProcessRecord
    expires: float | None
    """Seconds since 1970."""


class FileSystemLockManager(LockManager):
    """Locks in a folder, one file for each key that is locked.

    A lock ends when it is released, when its `hold_timeout` is over, or when the process that took it is gone
    (which only processes of the same machine can know: on a shared file system give a `hold_timeout`).

    Example:
        >>> locks = FileSystemLockManager("/srv/locks")
        >>> locks.acquire_lock("report", holder="me", acquire_timeout=5, hold_timeout=60)
        True
    """

    def __init__(self, lock_files_directory: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> None:
        self.lock_files_directory = Path(lock_files_directory).expanduser().absolute()
        self._clock = clock

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Lock a key for a holder; False if that takes longer than `acquire_timeout` seconds."""
        return self._poll(lambda: self._try(key, holder, hold_timeout), acquire_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Unlock a key. Raises ValueError if the holder does not hold it."""
        with self._guarded():
            held = self._current(key)
            check_holder(held is not None and held.holder == holder, key, holder)
            self._path(key).unlink()

    def is_locked(self, key: str) -> bool:
        """Say whether anyone holds the key."""
        return self._current(key) is not None

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Say whether this holder holds the key."""
        held = self._current(key)
        return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the key is free; False if that takes longer than `timeout` seconds."""
        return self._poll(lambda: not self.is_locked(key), timeout)

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        with self._guarded():
            held = self._current(key)
            if held is not None and held.holder != holder:
                return False
            expires = None if hold_timeout is None else self._clock() + hold_timeout
            content = msgspec.json.encode(_Held(key, holder, current_process(), expires))
            path = self._path(key)
            temporary = path.with_suffix(".new")  # readers do not wait for the guard, and must not see half a file
            temporary.write_bytes(content)
            os.replace(temporary, path)
            return True

    def _current(self, key: str) -> _Held | None:
        """Return who holds a key, unless the time is over or its process is gone."""
        try:
            held = msgspec.json.decode(self._path(key).read_bytes(), type=_Held)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(
                f"The lock file {self._path(key)} of {key!r} cannot be read ({error})."
                " Delete it if nothing runs that may hold it."
            ) from error
        expired = held.expires is not None and held.expires <= self._clock()
        return None if expired or is_alive(held.process) is False else held

    @contextlib.contextmanager
    def _guarded(self) -> Generator[None]:
        """Keep other processes out for a moment. The system frees the guard of a process that dies here."""
        try:
            self.lock_files_directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock_files_directory / ".guard", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StorageError(
                f"Locks cannot be kept in {self.lock_files_directory} ({error.strerror})."
                " Make it writable, or give FileSystemLockManager another folder."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _poll(self, succeeds: Callable[[], bool], timeout: float | None) -> bool:
        """Try again and again, since a file cannot wake another process; more slowly, but within 0.1 s."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _SHORTEST_PAUSE
        waiting = threading.Event()
        while not succeeds():
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                return False
            waiting.wait(left)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return True

    def _path(self, key: str) -> Path:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self.lock_files_directory / f"{digest}.lock"
