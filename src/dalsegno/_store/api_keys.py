"""Reads and writes API keys, by the hash of their text."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Connection
from dalsegno.model.access import ApiKey
from dalsegno.model.roles import Role

_SELECT = """
    SELECT key.id, key.name, key.hint, key.role, key.user_id, owner.name, key.created, key.expires, key.last_used,
        owner.role
    FROM api_key AS key LEFT JOIN user_account AS owner ON owner.id = key.user_id
"""


def add_api_key(connection: Connection, key: ApiKey, key_hash: bytes) -> None:
    """Insert a key."""
    connection.execute(
        "INSERT INTO api_key (id, key_hash, name, hint, role, user_id, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (key.id, key_hash, key.name, key.hint, int(key.role), key.user_id, key.created, key.expires),
    )


def find_api_key(connection: Connection, key_hash: bytes) -> ApiKey | None:
    """Return the key of a hash, whether or not it is still in force; its role is no higher than its user's."""
    row = connection.execute(f"{_SELECT} WHERE key.key_hash = ?", (key_hash,)).fetchone()
    return None if row is None else _key(row)


def read_api_key(connection: Connection, id: bytes) -> ApiKey | None:
    """Return a key."""
    row = connection.execute(f"{_SELECT} WHERE key.id = ?", (id,)).fetchone()
    return None if row is None else _key(row)


def list_api_keys(connection: Connection, user_id: bytes | None, after: bytes | None, limit: int) -> list[ApiKey]:
    """Return a page of keys, newest first: those of a user, or all."""
    conditions, values = ["TRUE"], list[Any]()
    if user_id is not None:
        conditions.append("key.user_id = ?")
        values.append(user_id)
    if after is not None:
        conditions.append("key.id < ?")
        values.append(after)
    rows = connection.execute(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY key.id DESC LIMIT ?", [*values, limit]
    )
    return [_key(row) for row in rows]


def touch_api_key(connection: Connection, id: bytes, now: int) -> None:
    """Record that a key is in use."""
    connection.execute("UPDATE api_key SET last_used = ? WHERE id = ? AND coalesce(last_used, 0) < ?", (now, id, now))


def delete_api_key(connection: Connection, id: bytes) -> bool:
    """Delete a key. False: there is none."""
    return connection.execute("DELETE FROM api_key WHERE id = ?", (id,)).rowcount > 0


def _key(row: tuple[Any, ...]) -> ApiKey:
    id, name, hint, role, user_id, user_name, created, expires, last_used, user_role = row
    return ApiKey(
        id=id,
        name=name,
        hint=hint,
        role=Role(role if user_role is None else min(role, user_role)),
        user_id=user_id,
        user_name=user_name,
        created=created,
        expires=expires,
        last_used=last_used,
    )
