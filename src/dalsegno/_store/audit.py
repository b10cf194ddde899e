"""Writes and reads the audit log: an entry before a change is made, its outcome afterwards."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Connection
from dalsegno._store.filters import Conditions
from dalsegno.model.access import AuditEntry
from dalsegno.model.ids import new_id

_FIELDS = AuditEntry.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)


def add_entry(connection: Connection, entry: AuditEntry) -> None:
    """Insert an entry."""
    connection.execute(
        f"INSERT INTO audit_entry ({_COLUMNS}) VALUES ({', '.join('?' * len(_FIELDS))})",
        [getattr(entry, name) for name in _FIELDS],
    )


def complete_entry(connection: Connection, id: bytes, status: int, target: str | None, summary: str | None) -> None:
    """Record how a change ended; what was not known before is added."""
    connection.execute(
        "UPDATE audit_entry SET status = ?, target = coalesce(?, target), summary = coalesce(?, summary) WHERE id = ?",
        (status, target, summary, id),
    )


def list_entries(
    connection: Connection, *, actor: str | None, target: str | None, after: bytes | None, limit: int
) -> list[AuditEntry]:
    """Return a page of entries, newest first."""
    conditions = Conditions()
    for column, value in (("actor", actor), ("target", target)):
        if value is not None:
            conditions.add(f"{column} = ?", value)
    if after is not None:
        conditions.add("id < ?", after)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM audit_entry{conditions.where()} ORDER BY id DESC LIMIT ?", [*conditions.values, limit]
    )
    return [_entry(row) for row in rows]


def delete_old_entries(connection: Connection, before: int, limit: int) -> int:
    """Delete a slice of the entries from before a time; return how many."""
    if before <= 0:
        return 0
    bound = new_id(before * 1000)[:6] + bytes(10)
    return connection.execute(
        "DELETE FROM audit_entry WHERE id IN (SELECT id FROM audit_entry WHERE id < ? ORDER BY id LIMIT ?)",
        (bound, limit),
    ).rowcount


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    return AuditEntry(**dict(zip(_FIELDS, row, strict=True)))
