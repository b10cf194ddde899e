"""Brings the tables of a database from one version to the next, by numbered scripts in the package of each dialect.

``sqlite/migrations/0002_accounts.sql`` is one of the scripts that lead to version 2; those of one version run in the
order of their names, in one transaction. A script may begin with ``-- compatible from: 1``, the oldest version whose
code can use what it makes: a change that only adds keeps the number (expand), and what the code of two versions ago
needed is taken away later (contract). What stands after ``-- down`` takes it back.

Whoever adds to the tables writes a script for each dialect, adds the same to ``sqlite/schema.sql``, from which new
files are made, and raises SCHEMA_VERSION once for each release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.resources import files

from dalsegno._store.connection import Connection, Database, Dialect
from dalsegno.exceptions import DatabaseError

SCHEMA_VERSION = 3
"""Of the tables that this code is written for."""

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_COMPATIBLE = re.compile(r"^-- compatible from: (\d+)$", re.MULTILINE)
_DOWN = re.compile(r"^-- down$", re.MULTILINE)
# Not by to_regclass, which may remember how it was before this transaction waited for the lock.
_IS_MADE = "SELECT 1 FROM pg_class WHERE relname = 'schema_version' AND pg_table_is_visible(oid)"
_LOCK = "SELECT pg_advisory_xact_lock(739250)"


@dataclass(frozen=True)
class SchemaState:
    """What a database holds."""

    version: int
    """0: no tables of ours."""
    compatible_from: int
    """The oldest version whose code can use them."""


@dataclass(frozen=True)
class Migration:
    """One script."""

    version: int
    name: str
    compatible_from: int | None
    """None: as before."""
    up: tuple[str, ...]
    down: tuple[str, ...] | None
    """None: it cannot be taken back."""

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


@cache
def scripts(dialect: Dialect) -> tuple[Migration, ...]:
    """Return all scripts of a dialect, in the order in which they run."""
    folder = files("dalsegno._store").joinpath(dialect, "migrations")
    found = [
        _read(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (match := _NAME.fullmatch(file.name))
    ]
    return tuple(found)


def statements(text: str) -> list[str]:
    """Split a script: a statement ends at a semicolon at the end of a line."""
    return [statement for statement in text.split(";\n") if statement.strip()]


def compatible_from(dialect: Dialect, version: int = SCHEMA_VERSION) -> int:
    """Return the oldest version whose code can use the tables of a version."""
    known = [script.compatible_from for script in scripts(dialect) if script.version <= version]
    return max((number for number in known if number is not None), default=1)


def current(connection: Connection) -> SchemaState:
    """Return what a database holds."""
    if connection.dialect == "sqlite":
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        # The first version had no such table.
        if version < 2:
            return SchemaState(version, version)
    elif connection.execute(_IS_MADE).fetchone() is None:
        return SchemaState(0, 0)
    row = connection.execute("SELECT version, compatible_from FROM schema_version").fetchone()
    return SchemaState(0, 0) if row is None else SchemaState(*row)


def pending(connection: Connection) -> list[Migration]:
    """Return the scripts that a database has not seen yet."""
    version = current(connection).version
    return [script for script in scripts(connection.dialect) if version < script.version <= SCHEMA_VERSION]


def apply(connection: Connection, pending: Iterable[Migration]) -> None:
    """Run scripts inside a transaction, and note the version that this code is written for."""
    for script in pending:
        for statement in script.up:
            connection.execute(statement)
    note(connection, SCHEMA_VERSION, compatible_from(connection.dialect))


def note(connection: Connection, version: int, compatible_from: int) -> None:
    """Write down which version the tables are of."""
    if connection.dialect == "sqlite":
        connection.execute(f"PRAGMA user_version = {version}")
        if version < 2:
            return
    connection.execute("DELETE FROM schema_version")
    connection.execute(
        "INSERT INTO schema_version (version, compatible_from) VALUES (?, ?)", (version, compatible_from)
    )


def check(database: Database) -> None:
    """See that this code can use a database's tables. An SQLite file is seen to when it is opened.

    Raises DatabaseError where there are none or they are of an earlier version, and DatabaseTooNew.
    """
    if database.dialect == "sqlite":
        return
    from dalsegno._store.postgresql import errors

    state = database.read(current)
    if state.version == 0:
        raise errors.not_made(database.url)
    if state.version < SCHEMA_VERSION:
        raise errors.too_old(database.url, state.version, SCHEMA_VERSION)
    _refuse_too_new(database, state)


def upgrade(database: Database) -> list[str]:
    """Bring the tables to this version; return the names of the scripts that ran. Any number may do it at once."""
    _refuse_too_new(database, database.read(current))

    def run(connection: Connection) -> list[str]:
        if connection.dialect == "postgresql":
            connection.execute(_LOCK)
        # Another may have done it meanwhile.
        missing = pending(connection)
        if current(connection).version < SCHEMA_VERSION:
            apply(connection, missing)
        return [str(script) for script in missing]

    ran = database.write(run, durable=True, repeatable=True)
    if database.dialect == "postgresql":
        from dalsegno._store.postgresql import partitions

        partitions.make_ahead(database, database.now())
    return ran


def downgrade(database: Database, version: int) -> list[str]:
    """Take back what later versions than this one did; return the names of the scripts. Raises DatabaseError where that
    cannot be, and changes nothing then."""
    if version < 1:
        raise DatabaseError(f"There is no schema version {version} to go back to; the first one is 1.")

    def run(connection: Connection) -> list[str]:
        if connection.dialect == "postgresql":
            connection.execute(_LOCK)
        here = current(connection).version
        undone = [script for script in reversed(scripts(connection.dialect)) if version < script.version <= here]
        for script in undone:
            if script.down is None:
                raise DatabaseError(
                    f"{database.url} cannot go back to schema version {version}: {script} cannot be taken back. "
                    "Restore a backup from before it."
                )
            for statement in script.down:
                connection.execute(statement)
        if here > version:
            note(connection, version, compatible_from(connection.dialect, version))
        return [str(script) for script in undone]

    return database.write(run, durable=True)


def _refuse_too_new(database: Database, state: SchemaState) -> None:
    if state.compatible_from > SCHEMA_VERSION and database.dialect == "postgresql":
        from dalsegno._store.postgresql import errors

        raise errors.too_new(database.url, state.version, SCHEMA_VERSION, metadata.version("dalsegno"))


def _read(version: int, name: str, text: str) -> Migration:
    up, *down = _DOWN.split(text)
    match = _COMPATIBLE.search(up)
    return Migration(
        version=version,
        name=name,
        compatible_from=None if match is None else int(match[1]),
        up=tuple(statements(up)),
        down=tuple(statements(down[0])) if down else None,
    )
