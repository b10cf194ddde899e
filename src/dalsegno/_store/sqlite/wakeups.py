"""Processes that use one database file wake each other: a Unix datagram socket each, in a folder next to the file.

A datagram says only "look": what there is to see stands in the database. So nothing depends on one that is lost, and
who waits looks now and then without having been woken.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import socket

APART = 0.01
"""Seconds between two announcements of changes by one process, at least."""
_SETTLED = 0.05
"""Seconds after which the time of change of a folder tells of every later one."""
_LONGEST_ADDRESS = 100
_PREFIX = 12
_BOTH_WAYS = 2


class Audience(Enum):
    """What a listener wants to hear of."""

    CHANGES = "c"
    """Every commit, coalesced: for those that show what goes on."""
    WISHES = "w"
    """That something is wanted of runs: for those that execute them."""


class Listener:
    """A socket that others wake. One thread waits at it at a time."""

    def __init__(self, address: str, path: str) -> None:
        self._path = path
        self._socket = _new_socket()
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the handle, for `select`; -1 once it is closed."""
        return self._socket.fileno()

    def wait(self, timeout: float) -> bool:
        """Wait until somebody announced something since the last time; False: not in so many seconds."""
        import select

        handle = self.fileno()
        if handle < 0:
            return False
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000)) and self.clear()

    def clear(self) -> bool:
        """Forget what was announced until now; tell whether anything was."""
        heard = False
        with contextlib.suppress(OSError):
            # Nothing comes from one that is being closed.
            while self._socket.recv(1):
                heard = True
        return heard

    def close(self) -> None:
        """Hear nothing any more."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        # Who waits at it is woken; closing alone would leave them at a handle that may become another file's.
        with contextlib.suppress(OSError):
            self._socket.shutdown(_BOTH_WAYS)
        self._socket.close()

    def drop(self) -> None:
        """Close a copy that a fork made: it still is the parent's."""
        self._socket.close()


_Others: TypeAlias = tuple[int, list[str]]
"""When a folder was last changed, in nanoseconds, and the names in it."""


class Wakeups:
    """The listeners of one database, as one process uses them. Its methods may be called from any thread."""

    def __init__(self, database: str) -> None:
        real = os.path.realpath(database)
        self._folder = os.path.join(os.path.dirname(real), "run")
        # Several databases may lie in one folder.
        self._prefix = hashlib.sha256(os.path.basename(real).encode("utf-8", "surrogateescape")).hexdigest()[:_PREFIX]
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._free: list[Listener] = []
        self._sender: socket.socket | None = None
        self._shortcut: int | None = None
        self._found: _Others | None = None
        self._last = 0.0
        self._later: threading.Timer | None = None
        self._closed = False

    def listen(self, audience: Audience) -> Listener | None:
        """Hear from now on what others announce; None where there can be no such socket."""
        name = f"{self._prefix}.{audience.value}.{os.urandom(8).hex()}"
        with self._lock:
            if self._closed:
                return None
            try:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                listener = Listener(self._address(name), os.path.join(self._folder, name))
            except OSError:
                return None
            self._listeners.add(listener)
        return listener

    def borrow(self) -> Listener | None:
        """Return a listener for changes, for one wait; the next wait has the same one, and knows what came between."""
        try:
            return self._free.pop()
        except IndexError:
            return self.listen(Audience.CHANGES)

    def give_back(self, listener: Listener) -> None:
        """End a wait."""
        with self._lock:
            if not self._free and listener in self._listeners:
                self._free.append(listener)
            else:
                self._listeners.discard(listener)
                listener.close()

    def announce_change(self) -> None:
        """Tell those that listen for changes, after a commit: at once, or some milliseconds after the last time.

        Where nobody listens it costs one look at a folder.
        """
        if self._later is not None or not self._names(Audience.CHANGES):
            return
        with self._lock:
            if self._later is not None or self._closed:
                return
            left = self._last + APART - time.monotonic()
            if left <= 0 or not self._put_off(left):
                self._last = time.monotonic()
                self._send(self._names(Audience.CHANGES))

    def announce_wish(self) -> None:
        """Tell all that listen, after a commit: somebody wants something of runs."""
        with self._lock:
            self._send(self._names(Audience.WISHES) + self._names(Audience.CHANGES))

    def close(self) -> None:
        """End all waits, and say what was to be said later."""
        later = self._later
        if later is not None:
            later.cancel()
            self._announce_later()
        with self._lock:
            self._closed = True
            for listener in self._listeners:
                listener.close()
            self._listeners = set()
            self._free = []
            self._drop_sender()

    def start_anew(self) -> None:
        """Forget the parent's sockets, in a process that was forked: it must not answer for its parent."""
        self._lock = threading.Lock()
        for listener in self._listeners:
            listener.drop()
        self._listeners = set()
        self._free = []
        self._later = None
        self._drop_sender()

    def _put_off(self, seconds: float) -> bool:
        """Announce later: nobody may miss the last change, so it is not enough to leave one out."""
        later = threading.Timer(seconds, self._announce_later)
        later.daemon = True
        try:
            later.start()
        except RuntimeError:
            # The interpreter ends.
            return False
        self._later = later
        return True

    def _announce_later(self) -> None:
        with self._lock:
            self._later = None
            self._last = time.monotonic()
            self._send(self._names(Audience.CHANGES))

    def _names(self, audience: Audience) -> list[str]:
        """Return the names of the sockets of an audience, by a list that is kept while the folder is unchanged."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
            found = self._found
            if found is None or found[0] != changed:
                # Within the same tick of the clock the folder may still change.
                settled = time.time_ns() - changed > _SETTLED * 1e9
                found = (changed, [name for name in os.listdir(self._folder) if name.startswith(self._prefix)])
                self._found = found if settled else None
        except OSError:
            return []
        start = f"{self._prefix}.{audience.value}."
        return [name for name in found[1] if name.startswith(start)]

    def _send(self, names: list[str]) -> None:
        if not names:
            return
        if self._sender is None:
            try:
                self._sender = _new_socket()
            except OSError:
                # No handle is left. What is announced is committed, and those who wait look by themselves too.
                return
        for name in names:
            try:
                self._sender.sendto(b"!", self._address(name))
            except ConnectionRefusedError:
                # Its process is gone.
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._folder, name))
            except OSError:
                # It was closed just now, is of another user, or has not yet read what came before.
                continue

    def _address(self, name: str) -> str:
        """Return what a socket is bound to: its path, or where that is too long a way to it by an open folder.

        Where there is no such way either, the path, which then raises OSError.
        """
        path = os.path.join(self._folder, name)
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS or not os.path.isdir("/proc/self/fd"):
            return path
        if self._shortcut is None:
            self._shortcut = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._shortcut}/{name}"

    def _drop_sender(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        if self._shortcut is not None:
            os.close(self._shortcut)
            self._shortcut = None


def _new_socket() -> socket.socket:
    # Here, for most processes neither wake anybody nor wait, and loading it takes milliseconds.
    import socket

    new = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    new.setblocking(False)
    return new
