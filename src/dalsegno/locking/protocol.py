"""What a lock manager can do. Locks belong to holders, which are names: who knows the name may release."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Protocol


class LockManager(Protocol):
    """Locks on keys. Derive from it to have the methods for coroutines, which run in a thread.

    Timeouts are seconds; None waits, or holds, without end.
    """

    @abstractmethod
    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Lock a key for a holder; False if that takes longer than `acquire_timeout`.

        After `hold_timeout` the lock is free for others. A holder that has it already gets it again, with the
        new `hold_timeout`; one release frees it.
        """
        ...

    @abstractmethod
    def release_lock(self, key: str, holder: str) -> None:
        """Unlock a key. Raises ValueError if the holder does not hold it."""
        ...

    @abstractmethod
    def is_locked(self, key: str) -> bool:
        """Say whether anyone holds the key."""
        ...

    @abstractmethod
    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Say whether this holder holds the key."""
        ...

    @abstractmethod
    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the key is free, without taking it; False if that takes longer than `timeout`."""
        ...

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Like `acquire_lock`, without blocking the loop."""
        return await asyncio.to_thread(self.acquire_lock, key, holder, acquire_timeout, hold_timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Like `wait_for_lock`, without blocking the loop."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)


def check_holder(held: bool, key: str, holder: str) -> None:
    """Raise ValueError unless the lock is held, so that nobody releases another's lock by mistake."""
    if not held:
        raise ValueError(f"{holder!r} does not hold the lock of {key!r}: it was released before, or has expired.")
