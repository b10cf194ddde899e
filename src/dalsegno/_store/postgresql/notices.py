"""Telling other processes what changed, and being told: NOTIFY and LISTEN, never inside anybody's transaction.

A NOTIFY makes commits wait for each other, so a process tells in one what all its commits of some moments changed, from
a thread of its own.
"""

from __future__ import annotations

import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg

from dalsegno._store import forks
from dalsegno._store.changes import ANYTHING, Changes, Listener, pack, unpack
from dalsegno._store.postgresql.pool import abandon
from dalsegno.exceptions import BackendError

CHANNEL = "dalsegno"
_TOKEN = re.compile(r"(\w*)/(\d+)/(\d+\.\d+)/(.*)")
INTERVAL = 0.02
"""Seconds between two notices of a process."""
_AGAIN = 1.0
"""Seconds after which a notice that could not be sent is tried again."""
_SLOWEST_RECONNECT = 5.0

_log = logging.getLogger("dalsegno.store")


class Heard(NamedTuple):
    """How far one who waits for changes has heard and seen. It is written as a text, for others may keep it."""

    listener: str
    notices: int
    """How many this listener had heard."""
    looked: float
    """When the snapshot was taken, by the steady clock of its process."""
    snapshot: str

    def __str__(self) -> str:
        return "/".join(map(str, self))

    @classmethod
    def read(cls, token: object) -> Heard | None:
        """Return what a token says; None for one that says no more than a snapshot."""
        match _TOKEN.fullmatch(str(token)):
            case None:
                return None
            case match:
                return cls(match[1], int(match[2]), float(match[3]), match[4])


class Notifier:
    """Sends notices of one process, merged."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._waiting: Changes | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        forks.register(self)

    def announce(self, changes: Changes) -> None:
        """Have others told, soon. Never waits for the network."""
        with self._changed:
            if self._closed:
                return
            self._waiting = changes if self._waiting is None else self._waiting | changes
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dalsegno-notices", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_AGAIN)

    def start_anew(self) -> None:
        """Forget the parent's thread and what it had to say, in the process that was forked."""
        self._changed = threading.Condition()
        self._thread = self._waiting = None

    def _run(self) -> None:
        while (changes := self._next()) is not None:
            pause = INTERVAL
            try:
                self._send(pack(changes))
            except (psycopg.Error, BackendError):
                # The server is away. Those who listen look for themselves when they are connected again.
                self._keep(changes)
                pause = _AGAIN
            self._rest(pause)

    def _next(self) -> Changes | None:
        with self._changed:
            while self._waiting is None and not self._closed:
                self._changed.wait()
            changes, self._waiting = self._waiting, None
            return changes

    def _keep(self, changes: Changes) -> None:
        with self._changed:
            # Closing does not wait for a server that is away.
            if not self._closed:
                self._waiting = changes if self._waiting is None else self._waiting | changes

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closed and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)


class Listening:
    """Hears the notices of all processes over a connection of its own, which is made again when it breaks."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._changed = threading.Condition()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._wake: tuple[int, int] | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._closed = False
        self.id = uuid4().hex
        """Tells its count from those of other processes."""
        self.count = 0
        """How many times something was heard, or may have been missed."""
        forks.register(self)

    @property
    def is_connected(self) -> bool:
        """Whether notices come in at this moment."""
        return self._ready.is_set()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call a function with what changed, in the listening thread; return a function that ends that."""
        with self._changed:
            self._listeners.append(listener)
        self.start()

        def remove() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def start(self, timeout: float = 0.0) -> bool:
        """Begin to listen; wait so long until notices come in. False: they do not yet."""
        with self._changed:
            if self._thread is None and not self._closed:
                self._wake = os.pipe()
                self._thread = threading.Thread(
                    target=self._run, args=(self._wake[0],), name="dalsegno-listening", daemon=True
                )
                self._thread.start()
        return self._ready.wait(timeout)

    def wait(self, count: int, timeout: float) -> bool:
        """Wait until something was heard after so many; False: nothing was in so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count != count or self._closed, timeout)

    def close(self) -> None:
        """Hang up, and let those go who wait."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            thread, wake = self._thread, self._wake
            # Their numbers will be those of other files.
            self._wake = None
        if wake is None or thread is None:
            return
        os.write(wake[1], b"x")
        if thread is not threading.current_thread():
            thread.join(_AGAIN)
        if not thread.is_alive():
            for end in wake:
                os.close(end)

    def start_anew(self) -> None:
        """Forget the parent's thread and connection, in the process that was forked."""
        self.id = uuid4().hex
        self._listeners = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        if self._wake is not None:
            for end in self._wake:
                os.close(end)
        if self._connection is not None:
            abandon(self._connection)
        self._thread = self._wake = self._connection = None

    def _run(self, wake: int) -> None:
        pause = 0.0
        while not self._closed:
            if pause and select.select([wake], [], [], pause)[0]:
                return
            try:
                with self._connect() as connection:
                    self._connection = connection
                    connection.execute(f"LISTEN {CHANNEL}")
                    pause = 0.0
                    # While nobody listened, anything may have happened.
                    self._ready.set()
                    self._tell(ANYTHING)
                    self._hear(connection, wake)
            except (psycopg.Error, BackendError):
                pause = min(_SLOWEST_RECONNECT, pause * 2 or 0.1)
            finally:
                self._connection = None
                self._ready.clear()

    def _hear(self, connection: psycopg.Connection[Any], wake: int) -> None:
        """Tell what comes in, until it is closed. Raises psycopg.OperationalError when the connection breaks."""
        while True:
            connection.pgconn.consume_input()
            changes: Changes | None = None
            while (notice := connection.pgconn.notifies()) is not None:
                one = unpack(notice.extra.decode())
                changes = one if changes is None else changes | one
            if changes is not None:
                self._tell(changes)
            if self._closed or wake in select.select([connection.fileno(), wake], [], [])[0]:
                return

    def _tell(self, changes: Changes) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(changes)
            except Exception:
                # The others are to be told all the same, and this one the next time.
                _log.exception("A listener of changes failed.")
