"""Keeps the audit log: who asks for a change is written down before it is made, how it ended before it is answered.

So no change is made without an entry; one without an outcome is of a server that ended meanwhile.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio.to_thread
import msgspec

from dalsegno._store import audit
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendError
from dalsegno.model.access import AuditEntry

PENDING = "dalsegno_audit"


class Pending(msgspec.Struct):
    """An entry whose outcome is not known yet; handlers may add what they know."""

    entry: AuditEntry
    target: str | None = None
    summary: str | None = None


class Auditing:
    """The audit log of one database, for a server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, scope: Any, entry: AuditEntry) -> None:
        """Write an entry, which is completed when the request is answered. Raises BackendError if that cannot be."""
        await self.write(entry)
        scope[PENDING] = Pending(entry)

    async def write(self, entry: AuditEntry) -> None:
        """Write an entry that is complete."""

        def add(connection: Connection) -> None:
            audit.add_entry(connection, entry)

        await anyio.to_thread.run_sync(self._database.write, add)

    async def complete(self, scope: Any, status: int) -> None:
        """Record how a request ended."""
        pending: Pending = scope.pop(PENDING)

        def complete(connection: Connection) -> None:
            audit.complete_entry(connection, pending.entry.id, status, pending.target, pending.summary)

        try:
            await anyio.to_thread.run_sync(self._database.write, complete)
        except BackendError:
            # What was asked for is done, and has to be answered.
            logging.getLogger("dalsegno.server").exception(
                "The outcome (%s) of %s %s, request %s, is missing in the audit log",
                status,
                pending.entry.method,
                pending.entry.route,
                pending.entry.request_id,
            )


def note(scope: Any, *, target: str | None = None, summary: str | None = None) -> None:
    """Add what a handler knows to the entry of its request, if there is one."""
    pending: Pending | None = scope.get(PENDING)
    if pending is not None:
        pending.target = target or pending.target
        pending.summary = summary or pending.summary
