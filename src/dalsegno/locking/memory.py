"""Locks between the threads of one process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from dalsegno.locking.protocol import LockManager, check_holder


class _Held(NamedTuple):
    holder: str
    expires: float | None


class _Table:
    """The locks of this process: shared by all managers, since each task is likely to make its own."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.held: dict[str, _Held] = {}


_table = _Table()


def _forget() -> None:
    global _table
    _table = _Table()  # whoever held locks, or the condition, is not in the child


os.register_at_fork(after_in_child=_forget)


class MemoryLockManager(LockManager):
    """Locks within a process; all instances share them.

    Example:
        >>> locks = MemoryLockManager()
        >>> locks.acquire_lock("report", holder="me", acquire_timeout=5)
        True
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Lock a key for a holder; False if that takes longer than `acquire_timeout` seconds."""
        table = _table
        with table.changed:
            if not self._wait(table, key, holder, acquire_timeout):
                return False
            expires = None if hold_timeout is None else self._clock() + hold_timeout
            table.held[key] = _Held(holder, expires)
            return True

    def release_lock(self, key: str, holder: str) -> None:
        """Unlock a key. Raises ValueError if the holder does not hold it."""
        table = _table
        with table.changed:
            held = self._current(table, key)
            check_holder(held is not None and held.holder == holder, key, holder)
            del table.held[key]
            table.changed.notify_all()

    def is_locked(self, key: str) -> bool:
        """Say whether anyone holds the key."""
        with _table.changed:
            return self._current(_table, key) is not None

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Say whether this holder holds the key."""
        with _table.changed:
            held = self._current(_table, key)
            return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the key is free; False if that takes longer than `timeout` seconds."""
        table = _table
        with table.changed:
            return self._wait(table, key, None, timeout)

    def _wait(self, table: _Table, key: str, holder: str | None, timeout: float | None) -> bool:
        deadline = None if timeout is None else self._clock() + timeout
        while (held := self._current(table, key)) is not None and held.holder != holder:
            ends = [moment for moment in (deadline, held.expires) if moment is not None]
            if deadline is not None and self._clock() >= deadline:
                return False
            table.changed.wait(max(0.0, min(ends) - self._clock()) if ends else None)
        return True

    def _current(self, table: _Table, key: str) -> _Held | None:
        held = table.held.get(key)
        if held is not None and held.expires is not None and held.expires <= self._clock():
            del table.held[key]
            return None
        return held
