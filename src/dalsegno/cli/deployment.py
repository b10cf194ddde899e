"""`dalsegno deployment`: flows that can be asked for by name."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from dalsegno.cli import deployment_backfill, deployment_run, deployment_schedule
from dalsegno.cli.as_json import show_json
from dalsegno.cli.deployment_tables import (
    NONE,
    deployment_page,
    deployment_rows,
    find,
    name_of,
    version_rows,
)
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import pages, show_list, with_one_more
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, DeploymentTarget, Limit, Output, group
from dalsegno.cli.parameters import Pairs, Whole
from dalsegno.cli.screen import standard_output
from dalsegno.model.deployments import CollisionStrategy, DeploymentChange, DeploymentFilter

NO_MATCH = "No deployment matches; `dalsegno deployment ls --all` lists every one."
_MOST_VERSIONS = 200

app = group("deployment", "List, run, pause, change and delete deployments; their schedules.")
app.command(deployment_run.run)
app.command(deployment_backfill.backfill)
app.command(deployment_schedule.app)


@app.command
def ls(
    *,
    flow: Annotated[list[str] | None, Parameter(help="Name of the flow; may be repeated.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="A tag that it has; all of them, if repeated.")] = None,
    pool: Annotated[str | None, Parameter(help="Of this work pool.")] = None,
    limit: Limit = 50,
    all: All = False,
    output: Output = "table",
) -> None:
    """List deployments, newest first."""
    shown, asked = with_one_more(check_limit(limit), all)
    filter = DeploymentFilter(flow_names=flow or [], tags=tag or [], work_pool_names=[pool] if pool else [])
    backend = open_backend(runs=False)
    found = pages(lambda page: backend.list_deployments(filter, page), asked)
    show_list(found, shown, output, deployment_rows, empty=NONE if filter == DeploymentFilter() else NO_MATCH)


@app.command
def inspect(name: DeploymentTarget, /, *, output: Output = "table") -> None:
    """Show a deployment: what it runs by, when, and what was changed by hand."""
    found = find(open_backend(runs=False), name)
    if output == "json":
        show_json(found)
    else:
        print(deployment_page(found, standard_output()))


@app.command
def pause(name: DeploymentTarget, /) -> None:
    """Pause the schedules of a deployment; it can still be run by hand."""
    shown = _change(name, DeploymentChange(paused=True))
    print(f"Deployment {shown!r} is paused: its schedules do not tick.")


@app.command
def resume(name: DeploymentTarget, /) -> None:
    """Have the schedules of a deployment tick again; what they missed is not made up for."""
    print(f"Deployment {_change(name, DeploymentChange(paused=False))!r} is resumed.")


@app.command
def delete(name: DeploymentTarget, /) -> None:
    """Delete a deployment with its schedules; its runs stay, but those that wait are cancelled."""
    backend = open_backend(runs=False)
    found = find(backend, name)
    backend.delete_deployment(found.id)
    print(f"Deployment {name_of(found)!r} is deleted.")


@app.command
def update(
    name: DeploymentTarget,
    /,
    *,
    description: Annotated[str | None, Parameter(help="What it is for.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="Its tags, in place of those it has; may be repeated.")] = None,
    param: Pairs = None,
    params: Whole = None,
    job_variable: Annotated[
        list[str] | None, Parameter(name="--job-variable", help="A job variable as NAME=VALUE; may be repeated.")
    ] = None,
    pool: Annotated[str | None, Parameter(help="Another work pool.")] = None,
    work_queue: Annotated[str | None, Parameter(name="--work-queue", help="Another queue of its pool.")] = None,
    concurrency_limit: Annotated[
        int | None, Parameter(name="--concurrency-limit", help="Runs at one time; 0: no limit.")
    ] = None,
    collision_strategy: Annotated[
        CollisionStrategy | None, Parameter(name="--collision-strategy", help="What becomes of runs beyond the limit.")
    ] = None,
    priority: Annotated[int | None, Parameter(help="The higher goes first.", allow_leading_hyphen=True)] = None,
) -> None:
    """Change a deployment by hand, which outlasts the next deploying of its code."""
    backend = open_backend(runs=False)
    found = find(backend, name)
    given: dict[str, Any] = {
        "description": description,
        "tags": tag,
        "work_pool_name": pool,
        "work_queue_name": work_queue,
        "collision_strategy": collision_strategy,
        "priority": priority,
    }
    values = {key: value for key, value in given.items() if value is not None}
    if concurrency_limit is not None:
        values["concurrency_limit"] = concurrency_limit or None
    if param or params is not None:
        values["parameters"] = {**found.spec.parameters, **deployment_run.parameters_for(found, param, params)}
    if job_variable:
        values["job_variables"] = {**found.spec.job_variables, **deployment_run.named_values(job_variable)}
    if not values:
        raise CommandError("What is to be changed? Give an option, such as --priority or --tag.")
    backend.update_deployment(found.id, msgspec.structs.replace(DeploymentChange(), **values))
    print(f"Deployment {name_of(found)!r} is changed: {', '.join(values)}.")


@app.command
def versions(name: DeploymentTarget, /, *, output: Output = "table") -> None:
    """List what was deployed, the newest first."""
    backend = open_backend(runs=False)
    found = backend.list_deployment_versions(find(backend, name).id, _MOST_VERSIONS)
    show_list(iter(found), None, output, version_rows, empty="It was never deployed.")


@app.command
def rollback(
    name: DeploymentTarget,
    number: Annotated[int | None, Parameter(help="The version's number; none: the one before the last.")] = None,
    /,
) -> None:
    """Bring a deployment back to a version of it, as a new version."""
    backend = open_backend(runs=False)
    found = find(backend, name)
    wanted = found.version_number - 1 if number is None else number
    after = backend.roll_back_deployment(found.id, wanted)
    print(f"Deployment {name_of(found)!r} is as its version {wanted} was, as version {after.version_number}.")


def _change(name: str, change: DeploymentChange) -> str:
    backend = open_backend(runs=False)
    found = find(backend, name)
    backend.update_deployment(found.id, change)
    return name_of(found)
