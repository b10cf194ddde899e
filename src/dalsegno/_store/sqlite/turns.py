"""Whose turn it is to write: a queue of processes, kept by the kernel, past which the urgent go.

SQLite lets those who wait for its write lock try again and again; with many, the processors are busy with
trying and some wait long. The kernel hands an flock over in the order in which it was asked for. There are two:
who has the line is the next; who has the turn writes. Ordinary writers take the line first, so only one of them
waits for the turn at a time, and whoever is in a hurry (a renewal, a claim) goes straight for it: they wait for
the transaction in progress, each other, and at most one more. It is for fairness alone: what may be written is
still up to SQLite's own lock, so a turn that is lost or taken twice does no harm.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time

_SHORTEST_NAP = 0.0002
_LONGEST_NAP = 0.001
COURTESY = 0.5
"""Seconds for which an ordinary writer lets all that are in a hurry go before it."""


class Turns:
    """The queue of one database. Of each kind, ordinary and in a hurry, one thread of a process uses it at a time,
    and one of both has the turn."""

    def __init__(self, path: str, *, courtesy: float = COURTESY) -> None:
        self._courtesy = courtesy
        self._line = _Lock(path)
        self._turn = _Lock(f"{path}-turn")
        self._hurry = _Lock(f"{path}-hurry")

    @property
    def paths(self) -> list[str]:
        """The files that it keeps next to the database."""
        return [lock.path for lock in (self._line, self._turn, self._hurry)]

    def stand_in_line(self, timeout: float) -> bool:
        """Wait to be the next of the ordinary writers; False: not in so many seconds."""
        return self._line.take_or_wait(timeout)

    def leave_line(self) -> None:
        """Let another ordinary writer be the next."""
        self._line.give_back()

    def take(self, timeout: float, *, hurry: bool = False) -> bool:
        """Wait for a turn; False: it did not come in so many seconds. Where there can be no queue, True.

        This naps between tries: there are few who wait here, and a thread that waits for the kernel would have to
        be woken, and then wake this one, while nobody writes.
        """
        if self._turn.take():
            return True
        now = time.monotonic()
        deadline, courtesy = now + timeout, now + self._courtesy
        nap = _SHORTEST_NAP
        try:
            if hurry:
                self._hurry.share()
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(nap, left))
                nap = min(nap * 1.5, _LONGEST_NAP)
                courteous = not hurry and time.monotonic() < courtesy
                if not (courteous and self._is_somebody_in_a_hurry()) and self._turn.take():
                    return True
        finally:
            if hurry:
                self._hurry.give_back()

    def give_back(self) -> None:
        """End the turn."""
        self._turn.give_back()

    def close(self, *, in_child: bool = False) -> None:
        """Leave the queue; in a child that was forked, forget the parent's place, which takes nothing from it."""
        for lock in (self._line, self._turn, self._hurry):
            lock.close(in_child=in_child)

    def _is_somebody_in_a_hurry(self) -> bool:
        if self._hurry.take():
            self._hurry.give_back()
            return False
        return True


class _Lock:
    """An flock on a file of its own; where there can be none, everybody may go on."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._handle: int | None = None
        self._waits: set[int] = set()
        """Copies of the handle on which a thread waits."""

    def take(self) -> bool:
        """Take it if it is free."""
        return self._try(fcntl.LOCK_EX)

    def share(self) -> bool:
        """Share it with others, if nobody has it alone."""
        return self._try(fcntl.LOCK_SH)

    def take_or_wait(self, timeout: float) -> bool:
        """Take it when all who asked before have given it back; False: not in so many seconds."""
        if self.take():
            return True
        handle = self._handle
        return handle is None or self._wait(handle, timeout)

    def give_back(self) -> None:
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self, *, in_child: bool = False) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if in_child:
            # The threads that would close these are the parent's; with a copy left here its lock would outlive it.
            for copy in self._waits:
                os.close(copy)
            self._waits = set()

    def _try(self, kind: int) -> bool:
        if self._handle is None:
            try:
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                return True
        try:
            fcntl.flock(self._handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A file system without such locks.
            return True
        return True

    def _wait(self, handle: int, timeout: float) -> bool:
        """Wait in a thread, for the kernel's wait has no end of its own: its holder may be stopped."""
        # A copy, for ours may be closed before the lock comes.
        copy = os.dup(handle)
        waits = self._waits
        waits.add(copy)
        wait = _Wait()

        def stand() -> None:
            try:
                fcntl.flock(copy, fcntl.LOCK_EX)
                wait.come(copy)
            finally:
                waits.discard(copy)
                os.close(copy)

        threading.Thread(target=stand, name="dalsegno-turn", daemon=True).start()
        return wait.wait(timeout)


class _Wait:
    """One wait for a lock: if it comes when nobody waits any more, it is given back at once."""

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
            # Also where an exception was thrown into the wait: a lock that nobody knows of would never be free.
            if not came:
                with self._lock:
                    self._given_up = True
                    came = self._came.is_set()
        return came
