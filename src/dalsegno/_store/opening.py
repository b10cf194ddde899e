"""Opens the database of a URL, whichever kind it is."""

from __future__ import annotations

from pathlib import Path

from dalsegno._store import migrations
from dalsegno._store.connection import Database
from dalsegno._store.sqlite.database import BUSY_TIMEOUT, SqliteDatabase
from dalsegno.exceptions import ConfigurationError

_POSTGRESQL = ("postgresql", "postgres")


def open_database(
    url: str,
    *,
    busy_timeout: float = BUSY_TIMEOUT,
    allow_network_file_system: bool = False,
    pgbouncer: bool = False,
    listen_url: str | None = None,
    upgrade: bool = False,
    check: bool = True,
) -> Database:
    """Open a database. An SQLite file is made where there is none, and brought to this version where it is older.

    PostgreSQL's tables are made and changed only with `upgrade`; else DatabaseError says what to run, unless `check` is
    false. Raises ConfigurationError for a URL that is of no known kind.
    """
    if not is_postgresql(url):
        return SqliteDatabase(
            sqlite_path(url), busy_timeout=busy_timeout, allow_network_file_system=allow_network_file_system
        )
    try:
        from dalsegno._store.postgresql.database import PostgresDatabase
    except ImportError as error:
        raise ConfigurationError(
            f"DALSEGNO_DATABASE_URL is a PostgreSQL database, and its driver cannot be imported ({error}): install it "
            "with `pip install 'dalsegno[postgres]'`."
        ) from error
    database = PostgresDatabase(url, busy_timeout=busy_timeout, pgbouncer=pgbouncer, listen_url=listen_url)
    try:
        if upgrade:
            migrations.upgrade(database)
        elif check:
            migrations.check(database)
    except BaseException:
        database.close()
        raise
    return database


def is_postgresql(url: str) -> bool:
    """Tell whether a database URL means PostgreSQL, with whatever driver."""
    return url.partition("://")[0].partition("+")[0] in _POSTGRESQL


def sqlite_path(url: str) -> str:
    """Return the absolute path of a URL like ``sqlite:///relative.db`` or ``sqlite:////absolute.db``."""
    scheme, separator, path = url.partition(":///")
    if scheme not in ("sqlite", "sqlite+aiosqlite") or not separator or not path:
        raise ConfigurationError(
            f"DALSEGNO_DATABASE_URL is {_without_password(url)!r}; it is to be an SQLite file or a PostgreSQL "
            "database, as in 'sqlite:////home/me/runs.db' or 'postgresql://me@localhost/runs'."
        )
    return str(Path(path).expanduser().absolute())


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://...@{after}" if at else url
