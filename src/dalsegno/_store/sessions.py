"""Reads and writes the sessions of browsers, by the hash of their token."""

from __future__ import annotations

from dalsegno._store.connection import Connection
from dalsegno._store.users import user_of
from dalsegno.model.access import Session

_FIND = """
    SELECT session.id, session.created, session.last_seen, session.expires,
        owner.id, owner.name, owner.role, owner.created, owner.updated, owner.last_login
    FROM user_session AS session JOIN user_account AS owner ON owner.id = session.user_id
    WHERE session.token_hash = ?
"""


def add_session(connection: Connection, session: Session, token_hash: bytes) -> None:
    """Insert a session."""
    connection.execute(
        "INSERT INTO user_session (id, token_hash, user_id, created, last_seen, expires) VALUES (?, ?, ?, ?, ?, ?)",
        (session.id, token_hash, session.user.id, session.created, session.last_seen, session.expires),
    )


def find_session(connection: Connection, token_hash: bytes) -> Session | None:
    """Return the session of a token, with its user, whether or not it is still in force."""
    row = connection.execute(_FIND, (token_hash,)).fetchone()
    if row is None:
        return None
    id, created, last_seen, expires = row[:4]
    return Session(id=id, user=user_of(row[4:]), created=created, last_seen=last_seen, expires=expires)


def touch_session(connection: Connection, id: bytes, now: int) -> None:
    """Record that a session is in use."""
    connection.execute("UPDATE user_session SET last_seen = ? WHERE id = ? AND last_seen < ?", (now, id, now))


def end_session(connection: Connection, id: bytes) -> None:
    """Delete a session."""
    connection.execute("DELETE FROM user_session WHERE id = ?", (id,))


def end_sessions_of(connection: Connection, user_id: bytes, *, but: bytes | None = None) -> int:
    """Delete all sessions of a user, but for one; return how many went."""
    done = connection.execute("DELETE FROM user_session WHERE user_id = ? AND id <> ?", (user_id, but or b""))
    return done.rowcount


def delete_old_sessions(connection: Connection, now: int, idle_since: int) -> int:
    """Delete sessions that are over; return how many."""
    return connection.execute("DELETE FROM user_session WHERE expires < ? OR last_seen < ?", (now, idle_since)).rowcount
