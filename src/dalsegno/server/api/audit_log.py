"""`/api/audit-log`: who changed what, when, from where, and how it ended."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import QueryParameter

from dalsegno._store import audit
from dalsegno._store.connection import Connection
from dalsegno.model.access import AuditEntry
from dalsegno.model.ids import id_time
from dalsegno.model.resources.access import AuditPage, audit_entry_view
from dalsegno.server.access.paging import Cursor, Limit, cut
from dalsegno.server.asking import ask
from dalsegno.server.cursors import read_cursor

_KIND = "audit-log"


@get("/api/audit-log", tags=["Access"], operation_id="list_audit_log")
async def list_audit_log(
    request: Request[Any, Any, Any],
    cursor: Cursor = None,
    limit: Limit = 100,
    actor: Annotated[str | None, QueryParameter(max_length=200, description="Only what this user did.")] = None,
    target: Annotated[str | None, QueryParameter(max_length=300, description="Only changes of this one.")] = None,
) -> AuditPage:
    """Return the entries of the audit log, newest first."""
    after = read_cursor(_KIND, cursor, bytes)

    def read(connection: Connection) -> list[AuditEntry]:
        return audit.list_entries(connection, actor=actor, target=target, after=after, limit=limit + 1)

    found: list[AuditEntry] = await ask(request, request.app.state.database.read, read)
    shown, following = cut(_KIND, found, limit, lambda entry: entry.id)
    return AuditPage(items=[audit_entry_view(entry, id_time(entry.id)) for entry in shown], next_cursor=following)


routes = [list_audit_log]
