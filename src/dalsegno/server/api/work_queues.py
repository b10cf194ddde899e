"""`/api/work-pools/{name}/queues`: the queues of a work pool."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.params import JSONBody, PathParameter

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import pools
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.work_queues import (
    WorkQueue,
    WorkQueueChange,
    WorkQueueList,
    WorkQueueNew,
    from_new_queue,
    from_queue_change,
    to_work_queue,
)
from dalsegno.server.asking import ask, read
from dalsegno.server.clock import now
from dalsegno.server.parameters import Name

_PATH = "/api/work-pools/{name:str}/queues"
_ITEM = _PATH + "/{queue:str}"
_TAGS = ["Work pools"]
_Any = Request[Any, Any, Any]
_Queue = Annotated[str, PathParameter(description="The queue's name.")]


@get(_PATH, operation_id="list_work_queues", tags=_TAGS)
async def list_queues(request: _Any, name: Name) -> WorkQueueList:
    """Return the queues of a pool, in the order in which they are served."""
    await read(request, pools.read_pool, name, now())
    found = await ask(request, _backend(request).list_queues, name)
    return WorkQueueList(items=[to_work_queue(each) for each in found])


@post(_PATH, operation_id="create_work_queue", tags=_TAGS)
async def create_queue(request: _Any, name: Name, data: JSONBody[WorkQueueNew]) -> WorkQueue:
    """Make a queue of a pool."""
    return to_work_queue(await ask(request, _backend(request).create_queue, from_new_queue(name, data)))


@get(_ITEM, operation_id="read_work_queue", tags=_TAGS)
async def read_queue(request: _Any, name: Name, queue: _Queue) -> WorkQueue:
    """Return a queue of a pool."""
    return to_work_queue(await read(request, pools.read_queue, name, queue, now()))


@patch(_ITEM, operation_id="update_work_queue", tags=_TAGS)
async def update_queue(request: _Any, name: Name, queue: _Queue, data: JSONBody[WorkQueueChange]) -> WorkQueue:
    """Change a queue; pause and resume it."""
    return to_work_queue(await ask(request, _backend(request).update_queue, name, queue, from_queue_change(data)))


@delete(_ITEM, operation_id="delete_work_queue", tags=_TAGS)
async def delete_queue(request: _Any, name: Name, queue: _Queue) -> None:
    """Delete a queue; the default one, and one that a deployment uses, is refused."""
    if not await ask(request, _backend(request).delete_queue, name, queue):
        await read(request, pools.read_queue, name, queue, now())
        raise ObjectNotFound(f"Work pool {name!r} has no queue {queue!r}.")


def _backend(request: _Any) -> StoreBackend:
    return request.app.state.backend


routes = [list_queues, create_queue, read_queue, update_queue, delete_queue]
