"""`/api/concurrency-limits`: limits on how much is done at one time, and who holds their slots."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.limits import LimitKind
from dalsegno.model.resources.concurrency_limits import (
    ConcurrencyLimit,
    ConcurrencyLimitChange,
    ConcurrencyLimitNew,
    ConcurrencyLimitPage,
    ConcurrencyLimitReset,
    SlotHolderPage,
    from_change,
    from_new,
    to_holder,
    to_limit,
)
from dalsegno.server.asking import ask
from dalsegno.server.cursors import read_cursor, write_cursor

_PATH = "/api/concurrency-limits"
_TAGS = ["Concurrency limits"]
_KIND = "concurrency-limits"
_HOLDERS = "slot-holders"
_LimitId = Annotated[uuid.UUID, PathParameter(description="The limit's id.")]
_Limit = Annotated[int, QueryParameter(name="limit", description="How many at most.", ge=1, le=200)]
_Cursor = Annotated[
    str | None, QueryParameter(name="cursor", description="`next_cursor` of the page before.", max_length=1000)
]
_Kind = Annotated[LimitKind, QueryParameter(name="kind", description="Limits named in code, or of task runs by tag.")]
_Any = Request[Any, Any, Any]


@get(_PATH, operation_id="list_concurrency_limits", tags=_TAGS)
async def list_limits(
    request: _Any, kind: _Kind = "global", limit: _Limit = 50, cursor: _Cursor = None
) -> ConcurrencyLimitPage:
    """Return a page of limits, by name."""
    after = read_cursor(_KIND, cursor, str)
    found = await ask(request, request.app.state.backend.list_limits, kind, after, limit + 1)
    return ConcurrencyLimitPage(
        items=[to_limit(view) for view in found[:limit]],
        next_cursor=write_cursor(_KIND, found[limit - 1].name) if len(found) > limit else None,
    )


@post(_PATH, operation_id="create_concurrency_limit", tags=_TAGS)
async def create_limit(request: _Any, data: JSONBody[ConcurrencyLimitNew]) -> ConcurrencyLimit:
    """Make a limit."""
    return to_limit(await ask(request, request.app.state.backend.create_limit, from_new(data)))


@get(_PATH + "/{id:uuid}", operation_id="read_concurrency_limit", tags=_TAGS)
async def read_limit(request: _Any, id: _LimitId) -> ConcurrencyLimit:
    """Return a limit."""
    return to_limit(await ask(request, request.app.state.backend.read_limit, id.bytes))


@patch(_PATH + "/{id:uuid}", operation_id="update_concurrency_limit", tags=_TAGS)
async def update_limit(request: _Any, id: _LimitId, data: JSONBody[ConcurrencyLimitChange]) -> ConcurrencyLimit:
    """Change a limit."""
    return to_limit(await ask(request, request.app.state.backend.update_limit, id.bytes, from_change(data)))


@delete(_PATH + "/{id:uuid}", operation_id="delete_concurrency_limit", tags=_TAGS)
async def delete_limit(request: _Any, id: _LimitId) -> None:
    """Delete a limit: what held its slots goes on unlimited."""
    if not await ask(request, request.app.state.backend.delete_limit, id.bytes):
        raise ObjectNotFound(f"There is no concurrency limit {id}.")


@post(_PATH + "/{id:uuid}/reset", operation_id="reset_concurrency_limit", tags=_TAGS, status_code=200)
async def reset_limit(request: _Any, id: _LimitId) -> ConcurrencyLimitReset:
    """Take all slots from those who hold them."""
    backend = request.app.state.backend
    await ask(request, backend.read_limit, id.bytes)
    return ConcurrencyLimitReset(freed=await ask(request, backend.reset_limit, id.bytes))


@get(_PATH + "/{id:uuid}/holders", operation_id="list_slot_holders", tags=_TAGS)
async def list_holders(request: _Any, id: _LimitId, limit: _Limit = 50, cursor: _Cursor = None) -> SlotHolderPage:
    """Return a page of those who hold slots of a limit."""
    backend, after = request.app.state.backend, read_cursor(_HOLDERS, cursor, bytes)
    await ask(request, backend.read_limit, id.bytes)
    found = await ask(request, backend.list_slot_holders, id.bytes, after, limit + 1)
    return SlotHolderPage(
        items=[to_holder(view) for view in found[:limit]],
        next_cursor=write_cursor(_HOLDERS, found[limit - 1].id) if len(found) > limit else None,
    )


routes = [list_limits, create_limit, read_limit, update_limit, delete_limit, reset_limit, list_holders]
