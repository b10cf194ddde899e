"""Reads and writes users. What a name, a password or a change of role may be is not decided here."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Connection
from dalsegno.model.access import User
from dalsegno.model.roles import Role

_COLUMNS = "id, name, role, created, updated, last_login"


def add_user(connection: Connection, user: User, password_hash: str) -> bool:
    """Insert a user. False: there is one of that name."""
    done = connection.execute(
        "INSERT INTO user_account (id, name, role, password_hash, created, updated) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        (user.id, user.name, int(user.role), password_hash, user.created, user.updated),
    )
    return done.rowcount > 0


def read_user(connection: Connection, id: bytes) -> User | None:
    """Return a user."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM user_account WHERE id = ?", (id,)).fetchone()
    return None if row is None else user_of(row)


def find_user(connection: Connection, name: str) -> User | None:
    """Return the user of a name, which is lower case."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM user_account WHERE name = ?", (name,)).fetchone()
    return None if row is None else user_of(row)


def read_password_hash(connection: Connection, id: bytes) -> str | None:
    """Return the hash of a user's password."""
    row = connection.execute("SELECT password_hash FROM user_account WHERE id = ?", (id,)).fetchone()
    return None if row is None else row[0]


def list_users(connection: Connection, after: str | None, limit: int) -> list[User]:
    """Return a page of users by name."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM user_account WHERE name > ? ORDER BY name LIMIT ?", (after or "", limit)
    )
    return [user_of(row) for row in rows]


def has_users(connection: Connection) -> bool:
    """Tell whether there is any user."""
    return connection.execute("SELECT 1 FROM user_account LIMIT 1").fetchone() is not None


def lock_users(connection: Connection) -> None:
    """Let nobody else change users until this transaction ends, so that what is true of all of them stays true."""
    if connection.dialect == "postgresql":
        connection.execute("LOCK TABLE user_account IN SHARE ROW EXCLUSIVE MODE")


def has_admin(connection: Connection, *, other_than: bytes = b"") -> bool:
    """Tell whether there is an admin, apart from one user."""
    found = connection.execute(
        "SELECT 1 FROM user_account WHERE role = ? AND id <> ? LIMIT 1", (int(Role.ADMIN), other_than)
    )
    return found.fetchone() is not None


def set_role(connection: Connection, id: bytes, role: Role, now: int) -> None:
    """Change what a user may do."""
    connection.execute("UPDATE user_account SET role = ?, updated = ? WHERE id = ?", (int(role), now, id))


def set_password_hash(connection: Connection, id: bytes, password_hash: str, now: int) -> None:
    """Change the hash of a user's password."""
    connection.execute("UPDATE user_account SET password_hash = ?, updated = ? WHERE id = ?", (password_hash, now, id))


def note_login(connection: Connection, id: bytes, now: int) -> None:
    """Record that a user has logged in."""
    connection.execute("UPDATE user_account SET last_login = ? WHERE id = ?", (now, id))


def delete_user(connection: Connection, id: bytes) -> None:
    """Delete a user with their sessions and keys."""
    connection.execute("DELETE FROM user_session WHERE user_id = ?", (id,))
    connection.execute("DELETE FROM api_key WHERE user_id = ?", (id,))
    connection.execute("DELETE FROM user_account WHERE id = ?", (id,))


def user_of(row: tuple[Any, ...]) -> User:
    """Return a row of id, name, role, created, updated and last login as a user."""
    id, name, role, created, updated, last_login = row
    return User(id=id, name=name, role=Role(role), created=created, updated=updated, last_login=last_login)
