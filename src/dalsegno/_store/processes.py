"""The processes that execute runs: when they were last seen, and whether they still are there.

A process renews one lease for all that it executes, by being heard of.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dalsegno._processes import is_alive
from dalsegno._store import leases
from dalsegno._store.connection import Connection
from dalsegno.model.records import ProcessRecord

COLUMNS = 'process.id, host, pid, process.start_time, boot_id, pid_namespace, "user", command, last_seen, lease, ended'

_INSERT = """
    INSERT INTO process (id, host, pid, start_time, boot_id, pid_namespace, "user", command, last_seen, lease)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_REGISTER = f"""{_INSERT}
    ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen, lease = excluded.lease, ended = NULL
"""
_MEET = f"{_INSERT} ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen"
_TOUCH = "UPDATE process SET last_seen = ? WHERE id = ?"
_GO_ON = "UPDATE process SET ended = NULL WHERE id = ?"
_END = "UPDATE process SET last_seen = ?, ended = ? WHERE id = ?"
_FIND = f"SELECT {COLUMNS} FROM process WHERE id = ?"


class Seen(NamedTuple):
    """A process, when it was last heard of, for how long that counts, and when it ended if it has."""

    process: ProcessRecord
    last_seen: int
    lease: int
    ended: int | None


def register(connection: Connection, process: ProcessRecord, lease: int, now: int) -> None:
    """Note a process that executes runs, or that it is still there."""
    connection.execute(_REGISTER, (*_values(process), now, lease))


def meet(connection: Connection, process: ProcessRecord, lease: int, now: int) -> None:
    """Note a process that may execute no run, and renews what it holds in its own time; else that it is still there."""
    connection.execute(_MEET, (*_values(process), now, lease))


def touch(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process is still there."""
    connection.execute(_TOUCH, (now, process_id))


def go_on(connection: Connection, process_id: bytes) -> None:
    """Note that a process that was thought to be gone, or to execute nothing any more, goes on."""
    connection.execute(_GO_ON, (process_id,))


def end(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process executes nothing any more."""
    connection.execute(_END, (now, now, process_id))


def find(connection: Connection, process_id: bytes | None) -> Seen | None:
    """Return what is known of a process."""
    row = None if process_id is None else connection.execute(_FIND, (process_id,)).fetchone()
    return None if row is None else from_row(row)


def from_row(row: tuple[Any, ...]) -> Seen:
    """Return a process as it stands in COLUMNS."""
    return Seen(ProcessRecord(*row[:8]), row[8], row[9], row[10])


def lives(connection: Connection, process_id: bytes | None, now: int) -> bool:
    """Tell whether a process is still there, as far as can be known."""
    seen = find(connection, process_id)
    return seen is not None and seen.ended is None and is_there(seen, leases.counted_from(connection, now), now)


def is_there(seen: Seen, counted_from: int, now: int) -> bool:
    """Tell whether a process is there: by looking, or where that cannot be by its lease."""
    alive = is_alive(seen.process)
    if alive is None:
        return not leases.has_ended(seen.last_seen, seen.lease, counted_from, now)
    return alive


def _values(process: ProcessRecord) -> tuple[Any, ...]:
    return (
        process.id,
        process.host,
        process.pid,
        process.start_time,
        process.boot_id,
        process.pid_namespace,
        process.user,
        process.command,
    )
