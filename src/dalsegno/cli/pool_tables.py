"""Work pools, their queues and workers as the command line shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.listing import Table
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Column
from dalsegno.model.pools import PoolView, QueueView, WorkerView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

_PAGE = 200
_NAMED = 10


def find_pool(backend: Backend, name: str) -> PoolView:
    """Return a work pool. Raises CommandError, which lists those that there are."""
    found = backend.find_pool(name)
    if found is not None:
        return found
    known = ", ".join(repr(pool.name) for pool in backend.list_pools(None, _NAMED))
    there_are = f" There are: {known}." if known else ""
    message = f"There is no work pool {name!r}.{there_are} `dalsegno work-pool create {name}` makes it."
    raise CommandError(message, ExitCode.NOT_FOUND)


def find_queue(backend: Backend, pool: str, name: str) -> QueueView:
    """Return a queue of a work pool. Raises CommandError, which lists those that there are."""
    queues = backend.list_queues(find_pool(backend, pool).name)
    found = next((queue for queue in queues if queue.name == name), None)
    if found is None:
        known = ", ".join(repr(queue.name) for queue in queues)
        raise CommandError(f"Work pool {pool!r} has no queue {name!r}. It has: {known}.", ExitCode.NOT_FOUND)
    return found


def pools(backend: Backend) -> Iterator[PoolView]:
    """Yield all work pools, by name."""
    after: str | None = None
    while True:
        found = backend.list_pools(after, _PAGE)
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1].name


def pool_rows(found: Sequence[PoolView], screen: Screen) -> Table:
    """Return work pools as rows."""
    heads = (
        Column("NAME", shrinks=True),
        Column("TYPE"),
        Column("STATUS"),
        Column("LIMIT", right=True),
        Column("RUNNING", right=True),
        Column("WAITING", right=True),
    )
    rows = [
        [pool.name, pool.type, pool.status, limit_text(pool.concurrency_limit), str(pool.running), str(pool.waiting)]
        for pool in found
    ]
    return Table(heads, rows)


def queue_rows(found: Sequence[QueueView], screen: Screen) -> Table:
    """Return queues as rows."""
    at = times.now()
    heads = (
        Column("POOL", shrinks=True),
        Column("NAME", shrinks=True),
        Column("PRIORITY", right=True),
        Column("LIMIT", right=True),
        Column("RUNNING", right=True),
        Column("WAITING", right=True),
        Column("PAUSED"),
        Column("POLLED"),
    )
    rows = [
        [
            queue.work_pool_name,
            queue.name,
            str(queue.priority),
            limit_text(queue.concurrency_limit),
            str(queue.running),
            str(queue.waiting),
            "yes" if queue.paused else "no",
            "never" if queue.last_polled is None else times.ago(queue.last_polled, at),
        ]
        for queue in found
    ]
    return Table(heads, rows)


def worker_rows(found: Sequence[WorkerView], screen: Screen) -> Table:
    """Return workers as rows."""
    at = times.now()
    heads = (
        Column("NAME", shrinks=True),
        Column("POOL", shrinks=True),
        Column("STATUS"),
        Column("RUNNING", right=True),
        Column("HOST", shrinks=True),
        Column("PID", right=True),
        Column("VERSION"),
        Column("SEEN"),
    )
    rows = [
        [
            view.worker.name,
            view.worker.work_pool_name or "",
            "DRAINING" if view.online and view.worker.draining else "ONLINE" if view.online else "OFFLINE",
            f"{view.worker.running}/{limit_text(view.worker.limit)}",
            view.worker.host,
            str(view.worker.pid),
            view.worker.version,
            times.ago(view.last_seen, at),
        ]
        for view in found
    ]
    return Table(heads, rows)


def limit_text(limit: int | None) -> str:
    """Return a limit, or a dash for none."""
    return "-" if limit is None else str(limit)
