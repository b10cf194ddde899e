"""Connections to one database file and the transactions on them: who waits for whom, what a fork does."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from dalsegno._store.changes import Changes, Listener
from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.looking import Looking
from dalsegno._store.sqlite import errors, files
from dalsegno._store.sqlite.connection import SqliteConnection
from dalsegno._store.sqlite.shared_sync import SharedSync
from dalsegno._store.sqlite.turns import Turns
from dalsegno._store.sqlite.wakeups import Audience, Wakeups
from dalsegno._store.sqlite.wakeups import Listener as Socket
from dalsegno.exceptions import BackendError

T = TypeVar("T")

BUSY_TIMEOUT = 60.0
"""Seconds that a transaction waits for other processes."""
_NAP = 0.002
_FORK_WAITS = 5.0
_CHECKPOINT_PAGES = 2000
_LOOK_EVERY = 1.0
"""Seconds after which who waits for a change looks without having been woken."""
_POLL_EVERY = 0.1
"""The same where nobody can be woken."""

_all: weakref.WeakSet[SqliteDatabase] = weakref.WeakSet()
_abandoned: list[Any] = []
"""Connections of a parent process that could not be closed before the fork: closing them here would drop its
locks."""


class SqliteDatabase:
    """One database file: a connection for writing, guarded by a lock, and some for reading.

    Its methods may be called from any thread.
    """

    dialect: Dialect = "sqlite"

    def __init__(
        self,
        path: str,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        allow_network_file_system: bool = False,
        temporary: bool = False,
    ) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._temporary = temporary
        self.always_durable = False
        self._line = threading.Lock()
        self._lock = threading.Lock()
        self._turns = Turns(path + "-queue")
        self._wakeups = None if temporary else Wakeups(path)
        self._wish_listener: Socket | None = None
        self._ended = threading.Event()
        self._writer: SqliteConnection | None = None
        self._folder_synced = False
        self._sync = SharedSync(self._sync_files)
        self._readers: list[SqliteConnection] = []
        self._reading = threading.Semaphore(_MOST_READERS)
        self._watch: SqliteConnection | None = None
        self._watching = threading.Lock()
        self._closed = False
        self._looking = Looking(self)
        if not temporary:
            files.prepare_folder(path)
            if not allow_network_file_system:
                files.check_file_system(path)
        # The writer's connection makes the tables, so that a database that cannot be used says so here.
        try:
            self._write(lambda connection: None, express=False)
        except BaseException:
            self.close()
            raise
        _all.add(self)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def losses(self) -> int:
        return 0

    # --- transactions

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        durable: bool = False,
        express: bool = False,
        repeatable: bool = False,
    ) -> T:
        """Run `work` in a transaction of its own; if `durable`, return once it is on the disk.

        With `express` it goes before all others that wait: for what is short and holds up much, such as renewals.
        """
        result = self._write(work, express)
        if (durable or self.always_durable) and not self._temporary:
            self._sync()
        if self._wakeups is not None:
            self._wakeups.announce_change()
        return result

    def _sync_files(self) -> None:
        try:
            files.sync(self.path, folder=not self._folder_synced)
        except OSError as error:
            raise errors.not_synced(self.path, error) from error
        self._folder_synced = True

    def _write(self, work: Callable[[Connection], T], express: bool) -> T:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return self._write_in_turn(work, deadline) if express else self._write_in_line(work, deadline)
            except sqlite3.Error as error:
                if not errors.is_busy(error) or time.monotonic() > deadline:
                    raise errors.translate(error, self.path) from error
            # Somebody writes out of turn. Outside the locks, so that a fork can happen.
            time.sleep(_NAP * (0.5 + random.random()))

    def _write_in_line(self, work: Callable[[Connection], T], deadline: float) -> T:
        with self._line:
            try:
                self._turns.stand_in_line(max(0.0, deadline - time.monotonic()))
                return self._write_in_turn(work, deadline, self._turns.leave_line)
            finally:
                self._turns.leave_line()

    def _write_in_turn(
        self, work: Callable[[Connection], T], deadline: float, then: Callable[[], None] | None = None
    ) -> T:
        with self._lock:
            try:
                self._turns.take(max(0.0, deadline - time.monotonic()), hurry=then is None)
                if then is not None:
                    then()
                return self._write_once(work)
            finally:
                self._turns.give_back()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one moment of the database and holds up nobody."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return self._read_once(work)
            except sqlite3.Error as error:
                if not errors.is_busy(error) or time.monotonic() > deadline:
                    raise errors.translate(error, self.path) from error
            time.sleep(_NAP * (0.5 + random.random()))

    def change_token(self) -> int:
        """Return a number that changes when any connection, of any process, has committed."""
        with self._watching:
            try:
                # A connection of its own that never writes: the number tells of the commits of others only.
                if self._watch is None:
                    self._watch = self._connect()
                return self._watch.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error as error:
                raise errors.translate(error, self.path) from error

    # --- waiting for others

    def wait_for_change(self, token: Any, timeout: float) -> Any:
        """Wait until the change token differs from `token`, for so many seconds at most; return it as it is then."""
        deadline = time.monotonic() + timeout
        listener = None if self._wakeups is None else self._wakeups.borrow()
        try:
            while True:
                if listener is not None:
                    listener.clear()
                newer = self.change_token()
                left = deadline - time.monotonic()
                if newer != token or left <= 0:
                    return newer
                if listener is None:
                    self._ended.wait(min(left, _POLL_EVERY))
                else:
                    listener.wait(min(left, _LOOK_EVERY))
        finally:
            if listener is not None and self._wakeups is not None:
                self._wakeups.give_back(listener)

    def announce(self, changes: Changes) -> None:
        """Each commit has them told of anything by itself."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function after each change."""
        return self._looking.add(listener)

    def announce_wish(self) -> None:
        """Wake the processes that execute runs, for something is wanted of some."""
        if self._wakeups is not None:
            self._wakeups.announce_wish()

    def wait_for_wish(self, timeout: float) -> bool:
        """Wait until somebody may want something of runs; False: nobody did in so many seconds.

        One thread of a process waits. The first time is True at once: what was wanted before was told to nobody.
        """
        if self._closed:
            raise self._was_closed()
        if self._wish_listener is not None:
            return self._wish_listener.wait(timeout)
        if self._wakeups is not None:
            self._wish_listener = self._wakeups.listen(Audience.WISHES)
        if self._wish_listener is None:
            self._ended.wait(timeout)
        return self._wish_listener is not None

    def now(self) -> int:
        """Return the time by the clock of the machine, which all who use the file share."""
        return time.time_ns() // 1000

    def close(self) -> None:
        """Close all connections; the last process to do so folds the write-ahead log into the file."""
        self._closed = True
        self._ended.set()
        self._looking.close()
        if self._wakeups is not None:
            self._wakeups.close()
        with self._line, self._lock, self._watching:
            self._close_idle()
            self._turns.close()
            if self._temporary:
                for name in (self.path, f"{self.path}-wal", f"{self.path}-shm", *self._turns.paths):
                    _remove(name)

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        connection = self._writer
        if connection is None:
            connection = self._writer = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self._reading:
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                connection.execute("BEGIN")
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._closed:
                    connection.close()
                else:
                    self._readers.append(connection)

    def _connect(self) -> SqliteConnection:
        if self._closed:
            raise self._was_closed()
        connection = sqlite3.connect(
            self.path,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=SqliteConnection,
        )
        try:
            files.check_or_create(connection, self.path)
            connection.execute(f"PRAGMA synchronous = {'OFF' if self._temporary else 'NORMAL'}")
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("PRAGMA cache_size = -8000")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _was_closed(self) -> BackendError:
        return BackendError(f"The database {self.path} was closed in this process.")

    def _close_idle(self) -> None:
        connections = [self._writer, self._watch, *self._readers]
        self._writer = self._watch = None
        self._readers = []
        for connection in connections:
            if connection is not None:
                connection.close()

    # --- forks

    def pause(self) -> bool:
        """Close all connections and let nobody open any, for a fork must not copy SQLite's notes about its
        locks.

        False: a connection was in use for too long, and all goes on.
        """
        if not self._line.acquire(timeout=_FORK_WAITS):
            return False
        if not self._lock.acquire(timeout=_FORK_WAITS):
            self._line.release()
            return False
        taken = 0
        while taken < _MOST_READERS and self._reading.acquire(timeout=_FORK_WAITS):
            taken += 1
        if taken < _MOST_READERS or not self._watching.acquire(timeout=_FORK_WAITS):
            self._reading.release(taken)
            self._lock.release()
            self._line.release()
            return False
        self._close_idle()
        return True

    def go_on(self) -> None:
        """Allow connections again, in the process that forked."""
        self._watching.release()
        self._reading.release(_MOST_READERS)
        self._lock.release()
        self._line.release()

    def start_anew(self) -> None:
        """Forget the parent's connections and locks, in the process that was forked."""
        _abandoned.extend([self._writer, self._watch, *self._readers])
        self._writer = self._watch = None
        self._readers = []
        self._turns.close(in_child=True)
        if self._wakeups is not None:
            self._wakeups.start_anew()
        self._wish_listener = None
        self._ended = threading.Event()
        self._line = threading.Lock()
        self._lock = threading.Lock()
        self._watching = threading.Lock()
        self._reading = threading.Semaphore(_MOST_READERS)
        self._temporary = False


_MOST_READERS = 8
_forking = threading.local()  # what each thread paused for its fork: two threads may fork at the same time


def _before_fork() -> None:
    _forking.paused = [database for database in list(_all) if database.pause()]


def _after_fork_in_parent() -> None:
    for database in _forking.paused:
        database.go_on()


def _after_fork_in_child() -> None:
    for database in list(_all):
        database.start_anew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        return
