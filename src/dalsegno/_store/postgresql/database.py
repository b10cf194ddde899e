"""One PostgreSQL database: its transactions, what is done again when something is in the way, its clock."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from dalsegno._store import forks
from dalsegno._store.changes import Changes, Listener
from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.looking import Looking
from dalsegno._store.postgresql import errors
from dalsegno._store.postgresql.notices import CHANNEL, Heard, Listening, Notifier
from dalsegno._store.postgresql.pool import MOST_CONNECTIONS, Pool, PostgresConnection
from dalsegno.exceptions import BackendError

T = TypeVar("T")

BUSY_TIMEOUT = 60.0
RECONNECT_TIMEOUT = 10.0
"""Seconds for which a server that went away is looked for again: a restart takes less."""
_NAP = 0.005
_RECONNECT_NAP = 0.1
_CLOCK_EVERY = 60_000_000
_IDLE_IN_TRANSACTION = 60_000
"""Milliseconds after which the server ends the transaction of a process that stopped in the middle of it."""

_LISTEN_WAIT = 1.0
_LOOK_EVERY = 1.0
_LOOK_EVERY_LISTENING = 15.0
"""Seconds after which those who wait look for themselves, without and with notices."""

WISH = "wish"
_WISH = Changes(frozenset({WISH}))
_NOTIFY = "SELECT pg_notify(?, ?)"
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Moves with each transaction that ends, anybody's.
_TOKEN = "SELECT pg_current_snapshot()::text"


class PostgresDatabase:
    """A PostgreSQL database with our tables. Its methods may be called from any thread.

    Opening it connects to the server. It does not look at the tables: `dalsegno._store.migrations.check` does.
    """

    dialect: Dialect = "postgresql"

    def __init__(
        self,
        url: str,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        reconnect_timeout: float = RECONNECT_TIMEOUT,
        pgbouncer: bool = False,
        listen_url: str | None = None,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        limits = (
            f"lock_timeout = {max(1, round(busy_timeout * 1000))}",
            f"idle_in_transaction_session_timeout = {_IDLE_IN_TRANSACTION}",
        )
        session = "" if pgbouncer else ";".join(f"SET {limit}" for limit in limits)
        local = "".join(f"; SET LOCAL {limit}" for limit in limits) if pgbouncer else ""
        self._begin_durable = f"BEGIN; SET LOCAL synchronous_commit = on{local}"
        self._begin = f"BEGIN; SET LOCAL synchronous_commit = off{local}"
        self._begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        self._busy_timeout = busy_timeout
        self._reconnect_timeout = 0.0
        self._pool = Pool(url, pgbouncer=pgbouncer, session=session, most=most_connections)
        self.losses = 0
        self.always_durable = False
        self._clock: tuple[int, int] | None = None
        self._measuring = threading.Lock()
        forks.register(self)
        self._closed = threading.Event()
        self._notifier = Notifier(self._notify)
        self._listening: Listening | None = None
        if listen_url is not None or not pgbouncer:
            direct = Pool(listen_url or url, pgbouncer=False)
            self._listening = Listening(direct.connect)
        self._wishes: threading.Event | None = None
        self._looking = Looking(self)
        try:
            self.now()
        except BaseException:
            self.close()
            raise
        self._reconnect_timeout = reconnect_timeout

    @property
    def url(self) -> str:
        return self._pool.shown

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

        Nobody queues here for a lock on the whole database, so there is nothing for `express` to overtake.
        """
        begin = self._begin_durable if durable or self.always_durable else self._begin
        return self._run(work, begin, repeatable=repeatable)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction that sees one moment of the database and holds up nobody."""
        return self._run(work, self._begin_reading, repeatable=True)

    def change_token(self) -> str:
        """Return a text that changes when anybody has committed."""
        return self._run(lambda connection: connection.execute(_TOKEN).fetchone()[0], None, repeatable=True)

    def wait_for_change(self, token: Any, timeout: float) -> Any:
        """Wait until somebody has committed after this token; return the new one, or the same after so many seconds.

        While notices come in, they alone are looked at: they are of this database, and snapshots of the whole server.
        """
        deadline = time.monotonic() + timeout
        listening = self._listening
        if listening is not None:
            listening.start(min(timeout, _LISTEN_WAIT))
        known, looked = Heard.read(token), float("-inf")
        if known is None or listening is None or known.listener != listening.id:
            known = Heard("" if listening is None else listening.id, _count(listening), 0.0, str(token))
        while True:
            count, is_told = _count(listening), listening is not None and listening.is_connected
            look = not is_told or time.monotonic() >= max(looked, known.looked) + _LOOK_EVERY_LISTENING
            if look or count != known.notices:
                snapshot, looked = self.change_token(), time.monotonic()
                if count != known.notices or snapshot != known.snapshot:
                    return str(Heard(known.listener, count, looked, snapshot))
            left = deadline - time.monotonic()
            if left <= 0 or self._closed.is_set():
                return token
            if listening is not None and is_told:
                listening.wait(count, min(left, _LOOK_EVERY_LISTENING))
            else:
                self._closed.wait(min(left, _LOOK_EVERY))

    def announce(self, changes: Changes) -> None:
        """Have those told who wait for what a commit changed."""
        self._notifier.announce(changes)

    def announce_wish(self) -> None:
        """Wake the processes that execute runs, for something is wanted of some."""
        self.announce(_WISH)

    def wait_for_wish(self, timeout: float) -> bool:
        """Wait until somebody may want something of runs; False: nobody did in so many seconds."""
        if self._closed.is_set():
            raise BackendError(f"The database {self.url} was closed in this process.")
        listening = self._listening
        if listening is None:
            self._closed.wait(timeout)
            return False
        if self._wishes is None:
            self._wishes = wishes = threading.Event()
            listening.add(lambda changes: wishes.set() if changes.concerns(WISH) else None)
            return True
        heard = self._wishes.wait(timeout) and not self._closed.is_set()
        self._wishes.clear()
        return heard

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function with what anybody changed. Where LISTEN is impossible it is called now and then, for
        anything."""
        if self._listening is not None:
            return self._listening.add(listener)
        return self._looking.add(listener)

    def now(self) -> int:
        """Return the time by the server's clock, which is measured now and then."""
        steady = _steady()
        clock = self._clock
        if clock is None or not 0 <= steady - clock[1] < _CLOCK_EVERY:
            with self._measuring:
                clock = self._clock = self._measure()
        return clock[0] + _steady()

    def close(self) -> None:
        """Send what others are to be told, and close all connections."""
        self._closed.set()
        if self._wishes is not None:
            self._wishes.set()
        self._notifier.close()
        if self._listening is not None:
            self._listening.close()
        self._looking.close()
        self._pool.close()

    def start_anew(self) -> None:
        """Forget the parent's locks, in the process that was forked."""
        self._measuring = threading.Lock()
        self._wishes = None
        closed, self._closed = self._closed, threading.Event()
        if closed.is_set():
            self._closed.set()

    def _notify(self, payload: str) -> None:
        self._run(lambda connection: connection.execute(_NOTIFY, (CHANNEL, payload)), None, repeatable=True)

    def _measure(self) -> tuple[int, int]:
        """Return the server's clock over the steady clock of this machine, and when that was measured."""

        def measure(connection: Connection) -> tuple[int, int]:
            before = _steady()
            time_there: int = connection.execute(_CLOCK).fetchone()[0]
            after = _steady()
            return time_there - (before + after) // 2, after

        return self._run(measure, None, repeatable=True)

    def _run(self, work: Callable[[Connection], T], begin: str | None, *, repeatable: bool) -> T:
        """Run `work` between `begin` and COMMIT, again where others or a lost connection were in the way."""
        started = time.monotonic()
        while True:
            attempt = _Attempt(self._pool, begin)
            try:
                return attempt.run(work, self._busy_timeout)
            except psycopg.Error as error:
                waited = time.monotonic() - started
                if errors.is_lost(error):
                    self.losses += 1
                    self._pool.drop_idle()
                    if attempt.committing and not repeatable:
                        raise errors.lost_in_commit(error, self.url) from error
                    if waited > self._reconnect_timeout or errors.is_refused(error):
                        raise attempt.translate(error) from error
                    nap = _RECONNECT_NAP if waited > 0.05 else 0.0
                elif errors.is_in_the_way(error) and waited < self._busy_timeout:
                    nap = _NAP
                else:
                    raise attempt.translate(error) from error
            time.sleep(nap * (0.5 + random.random()))


def _count(listening: Listening | None) -> int:
    return 0 if listening is None else listening.count


class _Attempt:
    """One attempt at a transaction, and how far it came."""

    def __init__(self, pool: Pool, begin: str | None) -> None:
        self._pool = pool
        self._begin = begin
        self._connected = False
        self.committing = False

    def run(self, work: Callable[[Connection], T], timeout: float) -> T:
        connection = self._pool.take(timeout)
        self._connected = True
        try:
            if self._begin is None:
                return work(connection)
            connection.command(self._begin)
            result = work(connection)
            if connection.has_failed:
                # COMMIT would say nothing, and roll back.
                raise errors.failed_inside(self._pool.shown)
            self.committing = True
            connection.command("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        finally:
            self._pool.give_back(connection)
        return result

    def translate(self, error: psycopg.Error) -> Exception:
        make = errors.translate if self._connected else errors.cannot_connect
        return make(error, self._pool.shown)


def _roll_back(connection: PostgresConnection) -> None:
    """End a transaction that failed. Where that cannot be, the connection is closed with it when it is given back."""
    try:
        if not connection.raw.closed and not connection.idle:
            connection.command("ROLLBACK")
    except psycopg.Error:
        connection.raw.close()


def _steady() -> int:
    """Return microseconds of a clock that nobody sets, of one that goes on while the machine sleeps if there is one."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000
