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

from dalsegno._store import errors, files
from dalsegno._store.turns import Turns
from dalsegno.exceptions import BackendError

T = TypeVar("T")

BUSY_TIMEOUT = 60.0
"""Seconds that a transaction waits for other processes."""
_NAP = 0.002
_FORK_WAITS = 5.0
_CHECKPOINT_PAGES = 2000

_all: weakref.WeakSet[Database] = weakref.WeakSet()
_abandoned: list[Any] = []
"""Connections of a parent process that could not be closed before the fork: closing them here would drop its
locks."""


class Database:
    """One database file: a connection for writing, guarded by a lock, and some for reading.

    Its methods may be called from any thread.
    """

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
        self._lock = threading.Lock()
        self._turns = Turns(path + "-queue")
        self._writer: sqlite3.Connection | None = None
        self._folder_synced = False
        self._readers: list[sqlite3.Connection] = []
        self._reading = threading.Semaphore(_MOST_READERS)
        self._watch: sqlite3.Connection | None = None
        self._watching = threading.Lock()
        self._closed = False
        if not temporary:
            files.prepare_folder(path)
            if not allow_network_file_system:
                files.check_file_system(path)
        # The writer's connection makes the tables, so that a database that cannot be used says so here.
        try:
            self.write(lambda connection: None)
        except BaseException:
            self.close()
            raise
        _all.add(self)

    # --- transactions

    def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run `work` in a transaction of its own; if `durable`, return once it is on the disk."""
        result = self._write(work)
        if durable and not self._temporary:
            try:
                files.sync(self.path, folder=not self._folder_synced)
            except OSError as error:
                raise errors.not_synced(self.path, error) from error
            self._folder_synced = True
        return result

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                with self._lock:
                    try:
                        self._turns.take(max(0.0, deadline - time.monotonic()))
                        return self._write_once(work)
                    finally:
                        self._turns.give_back()
            except sqlite3.Error as error:
                if not errors.is_busy(error) or time.monotonic() > deadline:
                    raise errors.translate(error, self.path) from error
            # Somebody writes out of turn. Outside the lock, so that a fork can happen.
            time.sleep(_NAP * (0.5 + random.random()))

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
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

    def close(self) -> None:
        """Close all connections; the last process to do so folds the write-ahead log into the file."""
        with self._lock, self._watching:
            self._closed = True
            self._close_idle()
            self._turns.close()
            if self._temporary:
                for suffix in ("", "-wal", "-shm", "-queue"):
                    _remove(self.path + suffix)

    def _write_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
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

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
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

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise BackendError(f"The database {self.path} was closed in this process.")
        connection = sqlite3.connect(
            self.path, timeout=0.0, isolation_level=None, check_same_thread=False, cached_statements=256
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
        if not self._lock.acquire(timeout=_FORK_WAITS):
            return False
        taken = 0
        while taken < _MOST_READERS and self._reading.acquire(timeout=_FORK_WAITS):
            taken += 1
        if taken < _MOST_READERS or not self._watching.acquire(timeout=_FORK_WAITS):
            self._reading.release(taken)
            self._lock.release()
            return False
        self._close_idle()
        return True

    def go_on(self) -> None:
        """Allow connections again, in the process that forked."""
        self._watching.release()
        self._reading.release(_MOST_READERS)
        self._lock.release()

    def start_anew(self) -> None:
        """Forget the parent's connections and locks, in the process that was forked."""
        _abandoned.extend([self._writer, self._watch, *self._readers])
        self._writer = self._watch = None
        self._readers = []
        self._turns.close()
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
