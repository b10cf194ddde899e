"""What is done to a database as a whole, whichever kind it is: who uses it, emptying it, giving space back."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from dalsegno._store import migrations, processes
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import DatabaseError
from dalsegno.model.ids import id_time

_MADE = re.compile(r"^CREATE TABLE (\w+) \(", re.MULTILINE)
_SLICE = 1000
"""Pages that one transaction gives back, so that nobody waits long for the write lock."""
_KEPT = "schema_version"
_EXECUTING = (
    "SELECT process_id FROM flow_run WHERE state_type < 6 AND process_id IS NOT NULL"
    " UNION SELECT process_id FROM task_run WHERE process_id IS NOT NULL AND state_type < 6"
)
_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dalsegno'"
    " AND pid <> pg_backend_pid()"
)


class TableStats(msgspec.Struct, frozen=True, kw_only=True):
    """How much a table holds."""

    name: str
    rows: int | None
    """None: counting them would take too long."""
    exact: bool
    """Whether the rows were counted; else they are an estimate."""
    bytes: int | None
    """With its indexes; None where the database does not tell."""


class DatabaseStats(msgspec.Struct, frozen=True, kw_only=True):
    """How much a database holds."""

    url: str
    schema_version: int
    known_schema_version: int
    """Of this version of Dalsegno."""
    bytes: int
    free_bytes: int | None
    """What `vacuum` would give back; None where the database does not tell."""
    oldest_run: datetime | None
    newest_run: datetime | None
    tables: list[TableStats]


def table_names(connection: Connection) -> list[str]:
    """Return the names of our tables, without the parts of those that have parts."""
    if connection.dialect == "sqlite":
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return sorted(row[0] for row in found)
    made = {
        name
        for script in migrations.scripts("postgresql")
        for statement in script.up
        for name in _MADE.findall(statement)
    }
    there = connection.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)")
    return sorted(made & {row[0] for row in there})


def used_by(database: Database, now: int) -> list[str]:
    """Say in words who uses a database: processes that execute runs, and connections of others."""

    def look(connection: Connection) -> list[str]:
        alive = [
            found[0]
            for (id,) in connection.execute(_EXECUTING).fetchall()
            if processes.lives(connection, id, now) and (found := processes.find(connection, id))
        ]
        said = [f"process {process.pid} on {process.host} executes runs ({process.command})" for process in alive]
        if connection.dialect == "postgresql" and (count := connection.execute(_CONNECTIONS).fetchone()[0]):
            said.append(f"{count} other connections of Dalsegno are open, of servers or flows")
        return said

    return database.read(look)


def is_empty(connection: Connection) -> bool:
    """Tell whether a database with our tables holds nothing yet that somebody could miss."""
    return all(
        connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None
        for name in table_names(connection)
        if name != _KEPT
    )


def reset(database: Database) -> None:
    """Delete all rows of all our tables in one transaction."""

    def empty(connection: Connection) -> None:
        names = [name for name in table_names(connection) if name != _KEPT]
        if connection.dialect == "postgresql":
            connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
        else:
            for name in names:
                connection.execute(f"DELETE FROM {name}")

    database.write(empty, durable=True)


def give_back_pages(database: Database) -> int:
    """Give the free pages of an SQLite file back to the file system; others write in between. Returns how many."""

    def give_back(connection: Connection) -> int:
        free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
        for _ in range(min(free, _SLICE)):
            # One by one: the sqlite3 module takes one step only of a statement that gives no rows.
            connection.execute("PRAGMA incremental_vacuum(1)")
        left: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return free - left

    given = 0
    while count := database.write(give_back):
        given += count
    return given


def downgrade(database: Database, version: int) -> list[str]:
    """Take tables back to an earlier version. Raises DatabaseError where this code does not know how."""
    here = database.write(migrations.current).version
    if here > migrations.SCHEMA_VERSION:
        raise DatabaseError(
            f"The database {database.url} has schema version {here}, and this Dalsegno knows up to schema version "
            f"{migrations.SCHEMA_VERSION}: take it back with the Dalsegno that made it."
        )
    if version > here:
        raise DatabaseError(f"The database {database.url} has schema version {here}, which is before {version}.")
    return migrations.downgrade(database, version)


def oldest_and_newest_run(connection: Connection) -> tuple[datetime | None, datetime | None]:
    """Return when the oldest and the newest flow run were made."""
    rows = [connection.execute(f"SELECT id FROM flow_run ORDER BY id {order} LIMIT 1") for order in ("ASC", "DESC")]
    oldest, newest = (None if row is None else _time(row[0]) for row in [each.fetchone() for each in rows])
    return oldest, newest


def _time(id: bytes) -> datetime:
    return datetime.fromtimestamp(id_time(id) / 1_000_000, UTC)
