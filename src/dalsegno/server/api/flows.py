"""`/api/flows`: the flows that were run, by name."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from dalsegno._store import queries, searching
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.flows import Flow, FlowPage, to_flow
from dalsegno.server.asking import read
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.parameters import CursorParameter, LimitParameter, Name

_KIND = "flows"
_TAGS = ["Flows"]


@get("/api/flows", operation_id="list_flows", tags=_TAGS)
async def list_flows(
    request: Request[Any, Any, Any], limit: LimitParameter = 50, cursor: CursorParameter = None
) -> FlowPage:
    """Return a page of flows, by name."""
    after = read_cursor(_KIND, cursor, str)
    found = await read(request, queries.list_flows, after, limit + 1, searching.MOST + 1)
    return FlowPage(
        items=[to_flow(flow, searching.MOST) for flow in found[:limit]],
        next_cursor=write_cursor(_KIND, found[limit - 1].name) if len(found) > limit else None,
    )


@get("/api/flows/{name:str}", operation_id="read_flow", tags=_TAGS)
async def read_flow(request: Request[Any, Any, Any], name: Name) -> Flow:
    """Return a flow."""
    found = await read(request, queries.read_flow, name, searching.MOST + 1)
    if found is None:
        raise ObjectNotFound(f"There is no flow {name!r}.")
    return to_flow(found, searching.MOST)


routes = [list_flows, read_flow]
