"""`dalsegno work-pool`: where runs of deployments wait for workers."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from dalsegno.cli import times
from dalsegno.cli.as_json import show_json
from dalsegno.cli.failures import CommandError
from dalsegno.cli.flow_run_page import moment, parameters_text
from dalsegno.cli.listing import show_list
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import Output, group
from dalsegno.cli.parameters import read_object
from dalsegno.cli.pool_tables import find_pool, limit_text, pool_rows, pools, queue_rows
from dalsegno.cli.screen import standard_output
from dalsegno.cli.tables import page, table
from dalsegno.model.pools import NewPool, PoolChange

NONE = "No work pools yet: make one with `dalsegno work-pool create NAME`."

Template = Annotated[
    str | None,
    Parameter(name="--base-job-template", help="A JSON object, or @FILE that holds one."),
]
Slots = Annotated[int | None, Parameter(name="--concurrency-limit", help="Runs at one time; 0: none starts.")]

app = group("work-pool", "Make, list, pause, change and delete work pools.")


@app.command
def create(
    name: str,
    /,
    *,
    type: Annotated[str, Parameter(name=["--type", "-t"], help="What workers give to runs.")] = "process",
    description: Annotated[str | None, Parameter(help="What it is for.")] = None,
    concurrency_limit: Slots = None,
    base_job_template: Template = None,
    paused: Annotated[bool, Parameter(help="Nothing of it starts until it is resumed.")] = False,
) -> None:
    """Make a work pool, with its default queue."""
    new = NewPool(
        name=name,
        type=type,
        description=description,
        concurrency_limit=concurrency_limit,
        base_job_template={} if base_job_template is None else read_object(base_job_template),
        paused=paused,
    )
    open_backend(runs=False).create_pool(new)
    print(f"Work pool {name!r} is made: `dalsegno worker start --pool {name}` starts a worker of it.")


@app.command
def ls(*, output: Output = "table") -> None:
    """List work pools by name, with how many runs they have."""
    show_list(pools(open_backend(runs=False)), None, output, pool_rows, empty=NONE)


@app.command
def inspect(name: str, /, *, output: Output = "table") -> None:
    """Show a work pool and its queues."""
    import msgspec

    backend = open_backend(runs=False)
    pool = find_pool(backend, name)
    if output == "json":
        show_json(pool)
        return
    at, screen = times.now(), standard_output()
    values = [
        ("Work pool", pool.name),
        ("Type", pool.type),
        ("Status", pool.status),
        ("Description", pool.description),
        ("Limit", limit_text(pool.concurrency_limit)),
        ("Running", str(pool.running)),
        ("Waiting", str(pool.waiting)),
        ("Job template", parameters_text(msgspec.json.encode(pool.base_job_template).decode())),
        ("Created", moment(pool.created, at)),
        ("Updated", moment(pool.updated, at)),
    ]
    rows = queue_rows(backend.list_queues(name), screen)
    print(f"{page(values)}\n\n{table(rows.heads, rows.rows, screen)}")


@app.command
def update(
    name: str,
    /,
    *,
    description: Annotated[str | None, Parameter(help="What it is for.")] = None,
    concurrency_limit: Slots = None,
    base_job_template: Template = None,
) -> None:
    """Change a work pool."""
    change = PoolChange()
    if description is not None:
        change = replace(change, description=description)
    if concurrency_limit is not None:
        change = replace(change, concurrency_limit=concurrency_limit)
    if base_job_template is not None:
        change = replace(change, base_job_template=read_object(base_job_template))
    if change == PoolChange():
        raise CommandError("What is to be changed? Give --description, --concurrency-limit or --base-job-template.")
    _change(name, change)
    print(f"Work pool {name!r} is changed.")


@app.command
def pause(name: str, /) -> None:
    """Have nothing of a work pool start; what runs goes on."""
    _change(name, PoolChange(paused=True))
    print(f"Work pool {name!r} is paused.")


@app.command
def resume(name: str, /) -> None:
    """Have runs of a work pool start again."""
    _change(name, PoolChange(paused=False))
    print(f"Work pool {name!r} is resumed.")


@app.command
def set_concurrency_limit(name: str, limit: Annotated[int, Parameter(help="Runs at one time.")], /) -> None:
    """Limit how many runs of a work pool there are at one time."""
    _change(name, PoolChange(concurrency_limit=limit))
    print(f"Work pool {name!r} has at most {limit} runs at one time.")


@app.command
def clear_concurrency_limit(name: str, /) -> None:
    """Take the limit of a work pool away."""
    _change(name, PoolChange(concurrency_limit=None))
    print(f"Work pool {name!r} has no limit.")


@app.command
def delete(name: str, /) -> None:
    """Delete a work pool with its queues; one that a deployment uses is refused."""
    backend = open_backend(runs=False)
    backend.delete_pool(find_pool(backend, name).name)
    print(f"Work pool {name!r} is deleted.")


def _change(name: str, change: PoolChange) -> None:
    backend = open_backend(runs=False)
    backend.update_pool(find_pool(backend, name).name, change)
