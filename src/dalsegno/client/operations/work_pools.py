"""Work pools, their queues, and workers."""

from __future__ import annotations

from dalsegno.client.calls import Call, Pages, change, get, segment
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS
from dalsegno.model.resources.work_pools import WorkPool, WorkPoolChange, WorkPoolNew, WorkPoolPage
from dalsegno.model.resources.work_queues import WorkQueue, WorkQueueChange, WorkQueueList, WorkQueueNew
from dalsegno.model.resources.workers import WorkerList


class WorkPoolOperations:
    """Operations on work pools, their queues and workers. They raise ObjectNotFound."""

    @operation
    def read_work_pool(self, name: str) -> Call[WorkPool]:
        """Return a work pool."""
        return get(_pool(name), WorkPool)

    @operation
    def read_work_pools(self, *, limit: int = 50, cursor: str | None = None) -> Call[WorkPoolPage]:
        """Return a page of work pools, by name."""
        return get("work-pools", WorkPoolPage, {"limit": limit, "cursor": cursor})

    @listing
    def iterate_work_pools(self) -> Pages[WorkPool]:
        """Iterate over all work pools, by name."""
        return Pages(lambda at: get("work-pools", WorkPoolPage, {"limit": MOST_ITEMS, "cursor": at}))

    @operation
    def create_work_pool(self, pool: WorkPoolNew) -> Call[WorkPool]:
        """Make a work pool, with its default queue. Raises ObjectAlreadyExists."""
        return change("POST", "work-pools", WorkPool, pool)

    @operation
    def update_work_pool(self, name: str, changed: WorkPoolChange) -> Call[WorkPool]:
        """Change a work pool; pause and resume it."""
        return change("PATCH", _pool(name), WorkPool, changed)

    @operation
    def delete_work_pool(self, name: str) -> Call[None]:
        """Delete a work pool with its queues. Raises InvalidRequest while a deployment uses it."""
        return change("DELETE", _pool(name), type(None))

    @operation
    def read_work_queues(self, name: str) -> Call[WorkQueueList]:
        """Return the queues of a pool, in the order in which they are served."""
        return get(f"{_pool(name)}/queues", WorkQueueList)

    @operation
    def read_work_queue(self, name: str, queue: str) -> Call[WorkQueue]:
        """Return a queue of a pool."""
        return get(_queue(name, queue), WorkQueue)

    @operation
    def create_work_queue(self, name: str, new_queue: WorkQueueNew) -> Call[WorkQueue]:
        """Make a queue of a pool. Raises ObjectAlreadyExists."""
        return change("POST", f"{_pool(name)}/queues", WorkQueue, new_queue)

    @operation
    def update_work_queue(self, name: str, queue: str, changed: WorkQueueChange) -> Call[WorkQueue]:
        """Change a queue of a pool; pause and resume it."""
        return change("PATCH", _queue(name, queue), WorkQueue, changed)

    @operation
    def delete_work_queue(self, name: str, queue: str) -> Call[None]:
        """Delete a queue. Raises InvalidRequest for the default one, and while a deployment uses it."""
        return change("DELETE", _queue(name, queue), type(None))

    @operation
    def read_workers(self) -> Call[WorkerList]:
        """Return all workers, and the scripts that serve deployments of their own, the newest first."""
        return get("workers", WorkerList)

    @operation
    def read_workers_of_pool(self, name: str) -> Call[WorkerList]:
        """Return the workers of a pool, the newest first."""
        return get(f"{_pool(name)}/workers", WorkerList)


def _pool(name: str) -> str:
    return f"work-pools/{segment(name)}"


def _queue(name: str, queue: str) -> str:
    return f"{_pool(name)}/queues/{segment(queue)}"
