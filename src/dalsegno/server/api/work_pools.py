"""`/api/work-pools` and `/api/workers`: where runs of deployments wait, and who executes them."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.params import JSONBody

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import pools
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.work_pools import (
    WorkPool,
    WorkPoolChange,
    WorkPoolNew,
    WorkPoolPage,
    from_new_pool,
    from_pool_change,
    to_work_pool,
)
from dalsegno.model.resources.workers import WorkerList, to_worker
from dalsegno.server.asking import ask, read
from dalsegno.server.clock import now
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.parameters import CursorParameter, LimitParameter, Name

_PATH = "/api/work-pools"
_ITEM = _PATH + "/{name:str}"
_KIND = "work-pools"
_TAGS = ["Work pools"]
_Any = Request[Any, Any, Any]


@get(_PATH, operation_id="list_work_pools", tags=_TAGS)
async def list_pools(request: _Any, limit: LimitParameter = 50, cursor: CursorParameter = None) -> WorkPoolPage:
    """Return a page of work pools, by name."""
    found = await ask(request, _backend(request).list_pools, read_cursor(_KIND, cursor, str), limit + 1)
    return WorkPoolPage(
        items=[to_work_pool(each) for each in found[:limit]],
        next_cursor=write_cursor(_KIND, found[limit - 1].name) if len(found) > limit else None,
    )


@post(_PATH, operation_id="create_work_pool", tags=_TAGS)
async def create_pool(request: _Any, data: JSONBody[WorkPoolNew]) -> WorkPool:
    """Make a work pool, with its default queue."""
    return to_work_pool(await ask(request, _backend(request).create_pool, from_new_pool(data)))


@get(_ITEM, operation_id="read_work_pool", tags=_TAGS)
async def read_pool(request: _Any, name: Name) -> WorkPool:
    """Return a work pool."""
    return to_work_pool(await read(request, pools.read_pool, name, now()))


@patch(_ITEM, operation_id="update_work_pool", tags=_TAGS)
async def update_pool(request: _Any, name: Name, data: JSONBody[WorkPoolChange]) -> WorkPool:
    """Change a work pool; pause and resume it."""
    return to_work_pool(await ask(request, _backend(request).update_pool, name, from_pool_change(data)))


@delete(_ITEM, operation_id="delete_work_pool", tags=_TAGS)
async def delete_pool(request: _Any, name: Name) -> None:
    """Delete a work pool with its queues; one that a deployment uses is refused."""
    if not await ask(request, _backend(request).delete_pool, name):
        raise ObjectNotFound(f"There is no work pool {name!r}.")


@get(_ITEM + "/workers", operation_id="list_workers_of_pool", tags=_TAGS)
async def list_workers_of_pool(request: _Any, name: Name) -> WorkerList:
    """Return the workers of a pool, the newest first."""
    await read(request, pools.read_pool, name, now())
    return WorkerList(items=[to_worker(each) for each in await ask(request, _backend(request).list_workers, name)])


@get("/api/workers", operation_id="list_workers", tags=_TAGS)
async def list_workers(request: _Any) -> WorkerList:
    """Return all workers, and the scripts that serve deployments of their own, the newest first."""
    return WorkerList(items=[to_worker(each) for each in await ask(request, _backend(request).list_workers, None)])


def _backend(request: _Any) -> StoreBackend:
    return request.app.state.backend


routes = [list_pools, create_pool, read_pool, update_pool, delete_pool, list_workers_of_pool, list_workers]
