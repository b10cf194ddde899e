"""Deletes what is past its age of who may get in: sessions, counts of logins, entries of the audit log."""

from __future__ import annotations

from dalsegno._store import audit, login_attempts, sessions
from dalsegno._store.connection import Connection, Database
from dalsegno.server.access import throttle
from dalsegno.settings import Settings

SECOND = 1_000_000
INTERVAL = 600.0
"""Seconds between two looks."""
SLICE = 2000
"""Entries of the audit log that go in one transaction."""


def tick(database: Database, settings: Settings, at: int) -> int:
    """Delete a slice of it; return how many rows went. Any number of servers may do so at once."""
    idle = round(settings.server.session_idle * SECOND)
    age = settings.retention.audit

    def delete(connection: Connection) -> int:
        deleted = sessions.delete_old_sessions(connection, at, at - idle)
        deleted += login_attempts.delete_old_attempts(connection, at - throttle.WINDOW)
        if age is not None:
            deleted += audit.delete_old_entries(connection, at - round(age * SECOND), SLICE)
        return deleted

    return database.write(delete)
