"""Whose turn it is to write: a queue of processes, kept by the kernel.

SQLite lets those who wait for its write lock try again and again; with many, the processors are busy with
trying and some wait long. The kernel hands an flock over in the order in which it was asked for. It is for
fairness alone: what may be written is still up to SQLite's own lock, so a turn that is lost or taken twice
does no harm.
"""

from __future__ import annotations

import fcntl
import os
import threading


class Turns:
    """The queue of one database. One thread of a process uses it at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle: int | None = None

    def take(self, timeout: float) -> bool:
        """Wait for a turn; False: it did not come in so many seconds. Where there can be no queue, True."""
        handle = self._open()
        if handle is None:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._wait(handle, timeout)
        except OSError:
            # A file system without such locks.
            return True
        return True

    def give_back(self) -> None:
        """End the turn."""
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave the queue, also in a child that was forked: closing a copy takes nothing from the parent."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int | None:
        if self._handle is None:
            try:
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return None
        return self._handle

    def _wait(self, handle: int, timeout: float) -> bool:
        """Wait in a thread, for the kernel's wait has no end of its own: its holder may be stopped."""
        # A copy, for ours may be closed before the turn comes.
        copy = os.dup(handle)
        turn = _Turn()

        def wait() -> None:
            try:
                fcntl.flock(copy, fcntl.LOCK_EX)
                turn.come(copy)
            finally:
                os.close(copy)

        threading.Thread(target=wait, name="dalsegno-turn", daemon=True).start()
        return turn.wait(timeout)


class _Turn:
    """One wait for a turn: if it comes when nobody waits any more, it is given back at once."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._lock = threading.Lock()
        self._given_up = False

    def come(self, handle: int) -> None:
        with self._lock:
            self._came.set()
            if self._given_up:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def wait(self, timeout: float) -> bool:
        came = False
        try:
            came = self._came.wait(timeout)
        finally:
            # Also where an exception was thrown into the wait: a turn that nobody knows of would never end.
            if not came:
                with self._lock:
                    self._given_up = True
                    came = self._came.is_set()
        return came
