"""The processes that execute runs: when they were last seen, and whether they still are there."""

from __future__ import annotations

from typing import Any

from dalsegno._processes import is_alive
from dalsegno._store.connection import Connection
from dalsegno.model.records import ProcessRecord

LONGEST_SILENCE = 120_000_000
"""Microseconds after which a process that cannot be looked at from here (another machine) counts as gone."""

COLUMNS = 'process.id, host, pid, process.start_time, boot_id, pid_namespace, "user", command'

_REGISTER = """
    INSERT INTO process (id, host, pid, start_time, boot_id, pid_namespace, "user", command, last_seen)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen, ended = NULL
"""
# A process that was thought to be gone and is heard of again goes on.
_TOUCH = "UPDATE process SET last_seen = ?, ended = NULL WHERE id = ?"
_END = "UPDATE process SET last_seen = ?, ended = ? WHERE id = ?"
_FIND = f"SELECT {COLUMNS}, last_seen, ended FROM process WHERE id = ?"


def register(connection: Connection, process: ProcessRecord, now: int) -> None:
    """Note a process, or that it is still there."""
    connection.execute(
        _REGISTER,
        (
            process.id,
            process.host,
            process.pid,
            process.start_time,
            process.boot_id,
            process.pid_namespace,
            process.user,
            process.command,
            now,
        ),
    )


def touch(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process is still there."""
    connection.execute(_TOUCH, (now, process_id))


def end(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process executes nothing any more."""
    connection.execute(_END, (now, now, process_id))


def find(connection: Connection, process_id: bytes | None) -> tuple[ProcessRecord, int, int | None] | None:
    """Return a process, when it was last seen, and when it ended."""
    row = None if process_id is None else connection.execute(_FIND, (process_id,)).fetchone()
    return None if row is None else (from_row(row), row[8], row[9])


def from_row(row: tuple[Any, ...]) -> ProcessRecord:
    """Return a process as it stands in COLUMNS."""
    return ProcessRecord(*row[:8])  # pyright: ignore[reportArgumentType]


def lives(connection: Connection, process_id: bytes | None, now: int) -> bool:
    """Tell whether a process is still there, as far as can be known."""
    found = find(connection, process_id)
    if found is None:
        return False
    process, last_seen, ended = found
    return ended is None and is_there(process, last_seen, now)


def is_there(process: ProcessRecord, last_seen: int, now: int) -> bool:
    """Tell whether a process is there: by looking, or where that cannot be by when it was last heard of."""
    alive = is_alive(process)
    return now - last_seen < LONGEST_SILENCE if alive is None else alive
