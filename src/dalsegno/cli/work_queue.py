"""`dalsegno work-queue`: the queues of work pools."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from dalsegno.cli import times
from dalsegno.cli.as_json import show_json
from dalsegno.cli.failures import CommandError
from dalsegno.cli.flow_run_page import moment
from dalsegno.cli.listing import show_list
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import Output, group
from dalsegno.cli.pool_tables import find_pool, find_queue, limit_text, queue_rows
from dalsegno.cli.tables import page
from dalsegno.model.pools import NewQueue, QueueChange

NONE = "No work queues yet: each work pool has one, so make a pool with `dalsegno work-pool create NAME`."

Pool = Annotated[str, Parameter(name=["--pool", "-p"], help="The work pool.")]
Priority = Annotated[int | None, Parameter(help="1 goes first.")]
Slots = Annotated[int | None, Parameter(name="--concurrency-limit", help="Runs at one time; 0: none starts.")]
Description = Annotated[str | None, Parameter(help="What it is for.")]

app = group("work-queue", "Make, list, pause, change and delete queues of work pools.")


@app.command
def create(
    name: str,
    /,
    *,
    pool: Pool,
    priority: Priority = None,
    concurrency_limit: Slots = None,
    description: Description = None,
) -> None:
    """Make a queue of a work pool."""
    backend = open_backend(runs=False)
    rank = 1 if priority is None else _checked(priority)
    new = NewQueue(
        work_pool_name=find_pool(backend, pool).name,
        name=name,
        description=description,
        priority=rank,
        concurrency_limit=concurrency_limit,
    )
    backend.create_queue(new)
    print(f"Queue {name!r} of work pool {pool!r} is made, with priority {rank}.")


@app.command
def ls(
    *,
    pool: Annotated[str | None, Parameter(name=["--pool", "-p"], help="Of this work pool; none: of all.")] = None,
    output: Output = "table",
) -> None:
    """List queues by work pool, in the order in which they are served."""
    backend = open_backend(runs=False)
    name = None if pool is None else find_pool(backend, pool).name
    show_list(iter(backend.list_queues(name)), None, output, queue_rows, empty=NONE)


@app.command
def inspect(name: str, /, *, pool: Pool, output: Output = "table") -> None:
    """Show a queue."""
    found, at = find_queue(open_backend(runs=False), pool, name), times.now()
    if output == "json":
        show_json(found)
        return
    values = [
        ("Work queue", found.name),
        ("Work pool", found.work_pool_name),
        ("Description", found.description),
        ("Priority", str(found.priority)),
        ("Limit", limit_text(found.concurrency_limit)),
        ("Paused", "yes" if found.paused else "no"),
        ("Running", str(found.running)),
        ("Waiting", str(found.waiting)),
        ("Polled", moment(found.last_polled, at) or "never"),
        ("Created", moment(found.created, at)),
        ("Updated", moment(found.updated, at)),
    ]
    print(page(values))


@app.command
def update(
    name: str,
    /,
    *,
    pool: Pool,
    priority: Priority = None,
    concurrency_limit: Slots = None,
    description: Description = None,
) -> None:
    """Change a queue."""
    change = QueueChange()
    if priority is not None:
        change = replace(change, priority=_checked(priority))
    if concurrency_limit is not None:
        change = replace(change, concurrency_limit=concurrency_limit)
    if description is not None:
        change = replace(change, description=description)
    if change == QueueChange():
        raise CommandError("What is to be changed? Give --priority, --concurrency-limit or --description.")
    _change(pool, name, change)
    print(f"Queue {name!r} of work pool {pool!r} is changed.")


@app.command
def pause(name: str, /, *, pool: Pool) -> None:
    """Have nothing of a queue start; what runs goes on."""
    _change(pool, name, QueueChange(paused=True))
    print(f"Queue {name!r} of work pool {pool!r} is paused.")


@app.command
def resume(name: str, /, *, pool: Pool) -> None:
    """Have runs of a queue start again."""
    _change(pool, name, QueueChange(paused=False))
    print(f"Queue {name!r} of work pool {pool!r} is resumed.")


@app.command
def set_concurrency_limit(
    name: str, limit: Annotated[int, Parameter(help="Runs at one time.")], /, *, pool: Pool
) -> None:
    """Limit how many runs of a queue there are at one time."""
    _change(pool, name, QueueChange(concurrency_limit=limit))
    print(f"Queue {name!r} of work pool {pool!r} has at most {limit} runs at one time.")


@app.command
def clear_concurrency_limit(name: str, /, *, pool: Pool) -> None:
    """Take the limit of a queue away."""
    _change(pool, name, QueueChange(concurrency_limit=None))
    print(f"Queue {name!r} of work pool {pool!r} has no limit.")


@app.command
def delete(name: str, /, *, pool: Pool) -> None:
    """Delete a queue; the default one, and one that a deployment uses, is refused."""
    backend = open_backend(runs=False)
    find_queue(backend, pool, name)
    backend.delete_queue(pool, name)
    print(f"Queue {name!r} of work pool {pool!r} is deleted.")


def _change(pool: str, name: str, change: QueueChange) -> None:
    backend = open_backend(runs=False)
    find_queue(backend, pool, name)
    backend.update_queue(pool, name, change)


def _checked(priority: int) -> int:
    if not 1 <= priority < 2**31:
        raise CommandError(f"--priority is {priority}, but it begins with 1, which goes first.")
    return priority
