"""Reads and writes variables."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store.connection import Connection
from dalsegno._store.rows import unpack_tags
from dalsegno.model.views import VariableView

_COLUMNS = "name, value, tags, created, updated"
_INSERT = f"INSERT INTO variable ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name)"
_REPLACE = " DO UPDATE SET value = excluded.value, tags = excluded.tags, updated = excluded.updated"


def get_variable(connection: Connection, name: str) -> VariableView | None:
    """Return a variable."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM variable WHERE name = ?", (name,)).fetchone()
    return None if row is None else _view(row)


def set_variable(connection: Connection, variable: VariableView, *, overwrite: bool) -> bool:
    """Insert a variable, or replace its value and tags. False: it exists and `overwrite` is false."""
    row = (
        variable.name,
        msgspec.json.encode(variable.value).decode(),
        msgspec.json.encode(variable.tags).decode() if variable.tags else None,
        variable.created,
        variable.updated,
    )
    return connection.execute(_INSERT + (_REPLACE if overwrite else " DO NOTHING"), row).rowcount > 0


def replace_variable(connection: Connection, variable: VariableView, seen: int) -> bool:
    """Replace a variable's value and tags if it was last changed at the time that somebody saw. False: it was not."""
    changed = connection.execute(
        "UPDATE variable SET value = ?, tags = ?, updated = ? WHERE name = ? AND updated = ?",
        (
            msgspec.json.encode(variable.value).decode(),
            msgspec.json.encode(variable.tags).decode() if variable.tags else None,
            variable.updated,
            variable.name,
            seen,
        ),
    )
    return changed.rowcount > 0


def remove_variable(connection: Connection, name: str, seen: int) -> bool:
    """Delete a variable if it was last changed at the time that somebody saw. False: it was not."""
    return connection.execute("DELETE FROM variable WHERE name = ? AND updated = ?", (name, seen)).rowcount > 0


def unset_variable(connection: Connection, name: str) -> bool:
    """Delete a variable. False: there is none."""
    return connection.execute("DELETE FROM variable WHERE name = ?", (name,)).rowcount > 0


def list_variables(connection: Connection, after: str | None, limit: int) -> list[VariableView]:
    """Return a page of variables by name."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM variable WHERE name > ? ORDER BY name LIMIT ?", (after or "", limit)
    )
    return [_view(row) for row in rows]


def _view(row: tuple[Any, ...]) -> VariableView:
    name, value, tags, created, updated = row
    return VariableView(
        name=name, value=msgspec.json.decode(value), tags=unpack_tags(tags), created=created, updated=updated
    )
