"""A PostgreSQL database as a whole: how much our tables hold, vacuum, a backup by pg_dump and the way back from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dalsegno._store import migrations, upkeep
from dalsegno._store.connection import Connection, Database
from dalsegno._store.postgresql import errors, urls
from dalsegno._store.postgresql.pool import PostgresConnection
from dalsegno._store.upkeep import DatabaseStats, TableStats
from dalsegno.exceptions import ConfigurationError, DatabaseError

_COUNTED = 64 << 20
"""Bytes of a table whose rows are counted; of a larger one the planner's estimate is told."""
_SIZE = """
    SELECT coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid)),
            pg_total_relation_size(c.oid))::bigint,
        coalesce((SELECT sum(greatest(part.reltuples, 0)) FROM pg_partition_tree(c.oid)
            JOIN pg_class AS part ON part.oid = relid AND isleaf), greatest(c.reltuples, 0))::bigint
    FROM pg_class AS c WHERE c.oid = ?::regclass
"""
_PARTS = "SELECT coalesce(array_agg(relid::text), '{}') FROM pg_partition_tree(?::regclass) WHERE level > 0"
_BLOB = "CREATE DOMAIN blob AS bytea"
_HAS_BLOB = "SELECT 1 FROM pg_type WHERE typname = 'blob' AND pg_type_is_visible(oid)"
_DUMPED_VERSION = re.compile(r"^COPY \S*schema_version \((\w+), (\w+)\) FROM stdin;\n(\d+)\t(\d+)$", re.MULTILINE)
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '60s'"
"""So that a restore does not wait for ever for somebody who holds a table."""
_LONGEST_SAID = 600


def stats(database: Database) -> DatabaseStats:
    """Return how much our tables hold, within a bounded time."""

    def look(connection: Connection) -> DatabaseStats:
        state = migrations.current(connection)
        oldest, newest = upkeep.oldest_and_newest_run(connection)
        return DatabaseStats(
            url=database.url,
            schema_version=state.version,
            known_schema_version=migrations.SCHEMA_VERSION,
            bytes=connection.execute("SELECT pg_database_size(current_database())").fetchone()[0],
            free_bytes=None,
            oldest_run=oldest,
            newest_run=newest,
            tables=[_table(connection, name) for name in upkeep.table_names(connection)],
        )

    return database.read(look)


def vacuum(url: str) -> list[str]:
    """VACUUM ANALYZE each of our tables; return their names."""
    with _connect(url) as raw:
        names = upkeep.table_names(PostgresConnection(raw))
        for name in names:
            raw.execute(cast("Any", f"VACUUM (ANALYZE) {name}"), prepare=False)
    return names


def back_up(url: str, target: Path) -> int:
    """Write our tables, as they are at one moment, into a file in pg_dump's custom format; return its bytes."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with _connect(url) as raw:
            # Parts that come into being after this moment hold nothing that belongs to it.
            raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection = PostgresConnection(raw)
            snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()[0]
            tables = [option for name in _with_parts(connection) for option in ("--table", name)]
            options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", *tables)
            _run("pg_dump", url, *options, f"--file={partial}", f"--dbname={_conninfo(url)}")
            raw.execute("ROLLBACK")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def check_copy(source: Path) -> int:
    """Return the schema version of a backup that can be restored. Raises DatabaseError where it cannot be."""
    with source.open("rb") as file:
        if file.read(5) != b"PGDMP":
            raise DatabaseError(f"{source} is no backup of a PostgreSQL database (pg_dump's custom format).")
    script = _run("pg_restore", "", "--data-only", "--table=schema_version", "--file=-", str(source))
    match = _DUMPED_VERSION.search(script)
    if match is None:
        raise DatabaseError(f"{source} is a backup of a PostgreSQL database, but not of one of Dalsegno's.")
    found = dict(zip(match.groups()[:2], map(int, match.groups()[2:]), strict=True))
    if found["compatible_from"] > migrations.SCHEMA_VERSION:
        raise errors.too_new(str(source), found["version"], migrations.SCHEMA_VERSION, metadata.version("dalsegno"))
    return found["version"]


def restore(url: str, source: Path) -> None:
    """Put the tables of a backup into a database, in place of ours that are there: in one transaction."""
    with _connect(url) as raw:
        connection = PostgresConnection(raw)
        drops = [f"DROP TABLE {name} CASCADE;\n" for name in upkeep.table_names(connection)]
        if connection.execute(_HAS_BLOB).fetchone() is None:
            drops.append(f"{_BLOB};\n")
    with tempfile.TemporaryFile() as said:
        psql = subprocess.Popen(
            [_binary("psql"), "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", _conninfo(url)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_environment(url),
        )
        assert psql.stdin is not None
        try:
            _feed(psql.stdin, drops, source)
        except BrokenPipeError:
            pass  # it stopped at an error, of which its exit code and what it wrote tell
        except BaseException:
            psql.kill()
            raise
        finally:
            _close(psql.stdin)
            psql.wait()
        if psql.returncode != 0:
            said.seek(0)
            raise _failed("psql", urls.for_people(url), said.read().decode(errors="replace"))


def _feed(stdin: IO[bytes], drops: list[str], source: Path) -> None:
    """Write a restoring transaction; it is committed only if pg_restore came to its end."""
    stdin.write(f"BEGIN;\n{_LOCK_TIMEOUT};\n{''.join(drops)}".encode())
    stdin.flush()
    done = subprocess.run(
        [_binary("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(source)],
        stdin=subprocess.DEVNULL,
        stdout=stdin,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        stdin.write(b"\nROLLBACK;\n")
        stdin.flush()
        raise _failed("pg_restore", str(source), done.stderr.decode(errors="replace"))
    stdin.write(b"\nCOMMIT;\n")
    stdin.flush()


def _close(stdin: IO[bytes]) -> None:
    try:
        stdin.close()
    except BrokenPipeError:
        return


def _table(connection: Connection, name: str) -> TableStats:
    size, estimate = connection.execute(_SIZE, (name,)).fetchone()
    exact = size <= _COUNTED
    rows = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] if exact else estimate
    return TableStats(name=name, rows=rows, exact=exact, bytes=size)


def _with_parts(connection: PostgresConnection) -> list[str]:
    names = upkeep.table_names(connection)
    if "schema_version" not in names:
        raise DatabaseError("The database holds no tables of Dalsegno: there is nothing to back up.")
    return [*names, *(part for name in names for part in connection.execute(_PARTS, (name,)).fetchone()[0])]


@contextmanager
def _connect(url: str) -> Generator[psycopg.Connection[tuple[Any, ...]]]:
    """Give a connection of its own, on which nothing begins a transaction by itself."""
    shown = urls.for_people(url)
    try:
        raw = psycopg.connect(urls.for_driver(url), autocommit=True, application_name="dalsegno database")
    except psycopg.Error as error:
        raise errors.cannot_connect(error, shown) from error
    try:
        yield raw
    except psycopg.Error as error:
        raise errors.translate(error, shown) from error
    finally:
        raw.close()


# --- PostgreSQL's own programs


def _run(program: str, url: str, *arguments: str) -> str:
    done = subprocess.run(
        [_binary(program), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=_environment(url),
        check=False,
    )
    if done.returncode != 0:
        raise _failed(program, urls.for_people(url) if url else "the backup", done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


def _binary(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ConfigurationError(
            f"{program} is not on the path. Install PostgreSQL's client programs (such as the package "
            "postgresql-client), of the server's version or a later one."
        )
    return found


def _conninfo(url: str) -> str:
    """Return the address for a command line, which everybody on the machine can read: without passwords."""
    parts = conninfo_to_dict(urls.for_driver(url))
    kept = {name: value for name, value in parts.items() if name not in ("password", "sslpassword")}
    return make_conninfo("", **kept)


def _environment(url: str) -> dict[str, str]:
    password = conninfo_to_dict(urls.for_driver(url)).get("password") if url else None
    return os.environ | ({} if password is None else {"PGPASSWORD": str(password)})


def _failed(program: str, what: str, said: str) -> DatabaseError:
    lines = " ".join(said.split())
    return DatabaseError(f"{program} failed for {what}: {lines[:_LONGEST_SAID] or 'it did not say why'}")
