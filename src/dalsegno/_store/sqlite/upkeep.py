"""An SQLite file as a whole: how much it holds, a copy while others write, and the way back from a copy."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dalsegno._store import migrations, upkeep
from dalsegno._store.sqlite import errors
from dalsegno._store.sqlite.connection import SqliteConnection
from dalsegno._store.sqlite.files import APPLICATION_ID
from dalsegno._store.upkeep import DatabaseStats, TableStats
from dalsegno.exceptions import DatabaseError

_LONGEST_COUNT = 8.0
"""Seconds for counting; what is not counted by then is estimated."""
_STEPS = 10_000
_BUSY_TIMEOUT = 60.0


def version_of(path: str) -> int:
    """Return the schema version of a file; 0: it is empty, or there is none. Raises DatabaseError if it is not ours."""
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return 0
    try:
        with closing(_open_to_read(path)) as connection:
            return _version(connection, path)
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error


def stats(path: str) -> DatabaseStats:
    """Return how much a file holds, within a bounded time."""
    deadline = time.monotonic() + _LONGEST_COUNT
    try:
        with closing(_open_to_read(path)) as connection:
            version = _version(connection, path)
            oldest, newest = upkeep.oldest_and_newest_run(connection)
            rows = {name: _count(connection, name, deadline) for name in upkeep.table_names(connection)}
            sizes = _sizes(connection, deadline)
            free = _pragma(connection, "freelist_count") * _pragma(connection, "page_size")
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error
    return DatabaseStats(
        url=f"sqlite:///{path}",
        schema_version=version,
        known_schema_version=migrations.SCHEMA_VERSION,
        bytes=sum(os.path.getsize(name) for name in (path, f"{path}-wal") if os.path.exists(name)),
        free_bytes=free,
        oldest_run=oldest,
        newest_run=newest,
        tables=[
            TableStats(name=name, rows=count, exact=exact, bytes=sizes.get(name))
            for name, (count, exact) in rows.items()
        ],
    )


def back_up(path: str, target: Path) -> int:
    """Copy a file as it is at one moment, while others go on to write; return the bytes of the copy.

    The copy is made beside its place and moved there when it is whole.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        # Nobody else may read it: it holds what the database holds.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(_open_to_read(path)) as source, closing(sqlite3.connect(partial)) as copy:
            # All pages in one step: so it is one reader's moment, which writers do not disturb.
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        _sync(partial)
        size = partial.stat().st_size
        os.replace(partial, target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def check_copy(source: Path) -> int:
    """Return the schema version of a copy that can be restored. Raises DatabaseError where it cannot be."""
    try:
        with closing(_open_to_read(str(source))) as connection:
            version = _version(connection, str(source))
            state = migrations.current(connection)
            if state.compatible_from > migrations.SCHEMA_VERSION:
                raise errors.too_new(str(source), version, migrations.SCHEMA_VERSION, metadata.version("dalsegno"))
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise errors.translate(error, str(source)) from error
    if said != "ok":
        raise errors.corrupt(str(source), said)
    return version


def restore(path: str, source: Path) -> None:
    """Put what a copy holds into a database file, in place of all that is there.

    It is written through SQLite, so that connections of others to the file see it as one change.
    """
    try:
        with closing(_open_to_read(str(source))) as copy, closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT)) as file:
            copy.backup(file)
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error


def end_file_where_it_ends(path: str) -> None:
    """Bring the write-ahead log into the file as far as nobody waits for that: the pages that were given back are
    there until then."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error


def shrink_log(path: str) -> None:
    """Bring the write-ahead log into the file as far as others let it, and see to the planner's notes."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)) as connection:
            connection.execute("PRAGMA analysis_limit = 400").fetchall()
            connection.execute("PRAGMA optimize").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise errors.translate(error, path) from error


def _open_to_read(path: str) -> SqliteConnection:
    return sqlite3.connect(
        f"file:{quote(path)}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        factory=SqliteConnection,
    )


def _version(connection: SqliteConnection, path: str) -> int:
    version = _pragma(connection, "user_version")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise errors.not_ours(path)
    if version < 1:
        raise DatabaseError(f"{path} holds no tables of Dalsegno.")
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _count(connection: sqlite3.Connection, name: str, deadline: float) -> tuple[int | None, bool]:
    found = _before(connection, deadline, f"SELECT count(*) FROM {name}")
    if found is not None:
        return found[0][0], True
    try:
        # Rows are numbered as they come, so the last number is near enough.
        return connection.execute(f"SELECT max(rowid) FROM {name}").fetchone()[0], False
    except sqlite3.OperationalError:
        return None, False  # WITHOUT ROWID


def _sizes(connection: sqlite3.Connection, deadline: float) -> dict[str, int]:
    """Return the bytes of tables with their indexes; nothing where SQLite was built without its page statistics."""
    found = _before(
        connection,
        deadline,
        "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name)"
        " WHERE aggregate = TRUE GROUP BY tbl_name",
    )
    return {} if found is None else dict(found)


def _before(connection: sqlite3.Connection, deadline: float, statement: str) -> list[Any] | None:
    """Return what a statement gives, or None if it cannot be had in time or at all."""
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    try:
        return connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT or "no such table: dbstat" in str(error):
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
