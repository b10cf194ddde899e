"""Deletes what is of no use any longer: sessions that are over, old counts of logins, old entries of the audit log."""

from __future__ import annotations

import asyncio
import logging

import anyio.to_thread

from dalsegno._store import audit, login_attempts, sessions
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendError
from dalsegno.server.access import throttle
from dalsegno.server.access.accounts import now
from dalsegno.settings import Settings

SECOND = 1_000_000
_EVERY = 600.0
_SLICE = 2000


def tick(database: Database, settings: Settings, at: int) -> int:
    """Delete a slice of it; return how many rows went. Any number of servers may do so at once."""
    idle = round(settings.server.session_idle * SECOND)
    age = settings.retention.audit

    def delete(connection: Connection) -> int:
        deleted = sessions.delete_old_sessions(connection, at, at - idle)
        deleted += login_attempts.delete_old_attempts(connection, at - throttle.WINDOW)
        if age is not None:
            deleted += audit.delete_old_entries(connection, at - round(age * SECOND), _SLICE)
        return deleted

    return database.write(delete)


async def keep_house(database: Database, settings: Settings) -> None:
    """Do so every few minutes, until it is cancelled."""
    while True:
        try:
            while await anyio.to_thread.run_sync(tick, database, settings, now()) >= _SLICE:
                pass
        except BackendError as error:
            logging.getLogger("dalsegno.server").warning("Old sessions and audit entries were not deleted: %s", error)
        await asyncio.sleep(_EVERY)
