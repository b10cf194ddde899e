"""`dalsegno flow serve`: deploys a flow and executes its runs until it is told to stop."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.parameters import Pairs, Whole, read_parameters
from dalsegno.cli.schedule_options import Anchor, Crons, Intervals, Rules, Timezone, read_schedules


def serve(
    entrypoint: Annotated[str, Parameter(help="path/to/file.py:flow, or package.module:flow.")],
    /,
    *,
    name: Annotated[
        str | None, Parameter(name=["--name", "-n"], help="Of the deployment; that of the flow by default.")
    ] = None,
    description: Annotated[str | None, Parameter(name=["--description", "-d"], help="In Markdown.")] = None,
    version: Annotated[str | None, Parameter(name="--version", help="The version, for people.")] = None,
    tag: Annotated[tuple[str, ...], Parameter(name=["--tag", "-t"], help="A tag of its runs; may be repeated.")] = (),
    cron: Crons = (),
    interval: Intervals = (),
    rrule: Rules = (),
    timezone: Timezone = None,
    anchor_date: Anchor = None,
    param: Pairs = None,
    params: Whole = None,
    limit: Annotated[int | None, Parameter(name=["--limit", "-l"], help="Most runs at a time.")] = None,
    pause_on_shutdown: Annotated[
        bool,
        Parameter(negative="--no-pause-on-shutdown", help="Pause the schedules at the end, until it is served again."),
    ] = True,
) -> None:
    """Deploy a flow and execute its runs here, each in a process of its own, until Ctrl-C or SIGTERM."""
    from dalsegno.deployments import serve
    from dalsegno.flows import load_flow_from_entrypoint

    if limit is not None and limit < 1:
        raise CommandError(f"--limit is {limit}, but at least one run is executed at a time.")
    flow = load_flow_from_entrypoint(entrypoint)
    deployment = flow.to_deployment(
        name or flow.name,
        description=description or flow.description,
        version=version,
        tags=tag,
        schedules=read_schedules(cron, interval, rrule, timezone, anchor_date),
        parameters=read_parameters(flow.fn, param, params),
    )
    if limit is None:
        serve(deployment, pause_on_shutdown=pause_on_shutdown)
    else:
        serve(deployment, pause_on_shutdown=pause_on_shutdown, limit=limit)
