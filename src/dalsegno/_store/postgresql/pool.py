"""The connections of one process to one PostgreSQL database: made when needed, kept, dropped when broken or forked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, cast

import psycopg
from psycopg import RawCursor
from psycopg.adapt import Dumper
from psycopg.pq import Format, TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from dalsegno._store import forks
from dalsegno._store.connection import Cursor, Dialect, Values
from dalsegno._store.postgresql import arrays, errors, urls
from dalsegno._store.postgresql.texts import in_order, storable_texts, translate
from dalsegno.exceptions import BackendError

MOST_CONNECTIONS = 10
_CONNECT_TIMEOUT = 10
_KEEP_ALIVE: dict[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""So that a server whose machine is gone is noticed within a minute."""

_abandoned: list[Any] = []
"""Connections of a parent process: closing them here would say goodbye to the server in the parent's name."""


class PostgresConnection:
    """A connection inside a transaction, in the words of `dalsegno._store.connection`."""

    dialect: Dialect = "postgresql"

    def __init__(self, raw: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.raw = raw

    def execute(self, text: str, values: Values = (), /) -> Cursor:
        """Execute a statement."""
        query, names = translate(text)
        given = in_order(values, names)
        cursor = RawCursor(self.raw)
        try:
            return cast("Cursor", cursor.execute(cast("Any", query), given, binary=True))
        except (UnicodeEncodeError, psycopg.DataError) as error:
            # The driver found a text that PostgreSQL cannot keep, and has sent nothing.
            if isinstance(error, psycopg.DataError) and error.sqlstate is not None:
                raise
            return cast("Cursor", cursor.execute(cast("Any", query), storable_texts(given), binary=True))

    def executemany(self, text: str, rows: Iterable[Values], /) -> Cursor:
        """Execute a statement for each row."""
        query, names = translate(text)
        cursor = RawCursor(self.raw)
        cursor.executemany(cast("Any", query), [storable_texts(in_order(row, names)) for row in rows])
        return cast("Cursor", cursor)

    def command(self, text: str) -> None:
        """Send one or more statements without values and without rows."""
        self.raw.execute(cast("Any", text), prepare=False)

    @property
    def has_failed(self) -> bool:
        """Whether a statement of its transaction failed, so that nothing of it can be committed."""
        return self.raw.info.transaction_status == TransactionStatus.INERROR

    @property
    def idle(self) -> bool:
        """Whether it is in order and in no transaction."""
        return not self.raw.closed and self.raw.info.transaction_status == TransactionStatus.IDLE


class Pool:
    """Some connections; a thread has one to itself from `take` to `give_back`."""

    def __init__(self, url: str, *, pgbouncer: bool, session: str = "", most: int = MOST_CONNECTIONS) -> None:
        self.shown = urls.for_people(url)
        self._address = urls.for_driver(url)
        self._pgbouncer = pgbouncer
        self._session = session
        self._most = most
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[PostgresConnection] = []
        self._made: set[PostgresConnection] = set()
        self._closed = False
        forks.register(self)

    def take(self, timeout: float) -> PostgresConnection:
        """Return a connection that nobody else uses."""
        if not self._free.acquire(timeout=max(0.0, timeout)):
            raise errors.no_connection_free(self.shown, self._most)
        try:
            with self._lock:
                if self._closed:
                    raise BackendError(f"The database {self.shown} was closed in this process.")
                if self._idle:
                    return self._idle.pop()
            connection = PostgresConnection(self.connect())
            with self._lock:
                self._made.add(connection)
            return connection
        except BaseException:
            self._free.release()
            raise

    def give_back(self, connection: PostgresConnection) -> None:
        """Let others have a connection; one that is not in order is closed."""
        try:
            with self._lock:
                if connection.idle and not self._closed and connection in self._made:
                    self._idle.append(connection)
                    return
                self._made.discard(connection)
            connection.raw.close()
        finally:
            self._free.release()

    def drop_idle(self) -> None:
        """Close those that nobody uses: the server they led to is gone."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._made.difference_update(idle)
        for connection in idle:
            connection.raw.close()

    def close(self) -> None:
        """Close them all; one in use is closed when it is given back."""
        with self._lock:
            self._closed = True
        self.drop_idle()

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Make a connection that is not one of the pool's."""
        raw = psycopg.connect(
            self._address,
            autocommit=True,
            prepare_threshold=None if self._pgbouncer else 5,
            connect_timeout=_CONNECT_TIMEOUT,
            application_name="dalsegno",
            client_encoding="UTF8",
            **_KEEP_ALIVE,
        )
        raw.prepared_max = 200
        adapt(raw)
        if self._session:
            raw.execute(cast("Any", self._session), prepare=False)
        return raw

    def start_anew(self) -> None:
        """Forget the parent's connections, in the process that was forked."""
        for connection in self._made:
            abandon(connection.raw)
        self._idle, self._made = [], set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(self._most)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def adapt(raw: psycopg.Connection[Any]) -> None:
    """Have a connection send whole numbers as bigint, whatever their size, and arrays of ours as they are."""
    raw.adapters.register_dumper(int, Int8BinaryDumper)
    for kind in (arrays.ByteaArray, arrays.BigintArray, arrays.TextArray, arrays.DoubleArray):
        dumper = type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid})
        raw.adapters.register_dumper(kind, dumper)


def abandon(raw: psycopg.Connection[Any]) -> None:
    """Forget a connection of the parent process; close this one's copy of its socket, for the server is to notice when
    the parent ends."""
    _abandoned.append(raw)
    try:
        os.close(raw.fileno())
    except (psycopg.Error, OSError):
        # It was closed or broken already.
        return
