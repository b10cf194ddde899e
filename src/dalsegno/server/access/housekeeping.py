"""Deletes what is past its age: runs and logs as retention says, sessions, counts of logins, entries of the audit log.

Clients of a server leave that to it (`HttpBackend.clean_up`)."""

from __future__ import annotations

import asyncio
import logging
import threading

import anyio.to_thread

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import audit, login_attempts, sessions
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendError
from dalsegno.server.access import throttle
from dalsegno.server.access.accounts import now
from dalsegno.settings import Settings

SECOND = 1_000_000
_EVERY = 600.0
_SLICE = 2000

_log = logging.getLogger("dalsegno.server")


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


def clean_up(backend: StoreBackend, settings: Settings, stop: threading.Event) -> None:
    """Delete all that is past its age: of access, and of what ran, slice by slice, until told to stop."""
    while not stop.is_set() and tick(backend.database, settings, now()) >= _SLICE:
        pass
    while not stop.is_set() and backend.clean_up() > 0:
        pass


async def keep_house(backend: StoreBackend, settings: Settings) -> None:
    """Do so every few minutes, until it is cancelled."""
    stop = threading.Event()
    try:
        while True:
            try:
                await anyio.to_thread.run_sync(clean_up, backend, settings, stop, abandon_on_cancel=True)
            except BackendError as error:
                _log.warning("What is past its age was not deleted: %s", error)
            except Exception:
                # A fault of ours: the next round may meet it no more, and without one the database only grows.
                _log.exception("What is past its age was not deleted")
            await asyncio.sleep(_EVERY)
    finally:
        stop.set()
