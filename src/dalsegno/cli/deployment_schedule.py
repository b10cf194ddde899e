"""`dalsegno deployment schedule`: when a deployment runs by itself."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.deployment_run import parameters_for
from dalsegno.cli.deployment_tables import NO_SCHEDULES, find, find_schedule, name_of, schedule_rows
from dalsegno.cli.listing import show_list
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import DeploymentTarget, Output, group
from dalsegno.cli.parameters import Pairs, Whole
from dalsegno.model.deployments import NewSchedule
from dalsegno.model.ids import id_text
from dalsegno.model.schedules import CatchUp, ScheduleSpec

Target = Annotated[str, Parameter(help="The schedule's slug, its id, or the beginning of its id.")]

app = group("schedule", "When a deployment runs by itself.")


@app.command
def create(
    name: DeploymentTarget,
    /,
    *,
    cron: Annotated[str | None, Parameter(help="Five fields, six with seconds, or a word such as @daily.")] = None,
    interval: Annotated[str | None, Parameter(help="From tick to tick: 30s, 15m, 2h, 1d.")] = None,
    rrule: Annotated[str | None, Parameter(help="A recurrence rule of RFC 5545.")] = None,
    anchor_date: Annotated[
        str | None, Parameter(name="--anchor-date", help="From when intervals are counted: a date or time, local.")
    ] = None,
    timezone: Annotated[str | None, Parameter(help="Such as Europe/Berlin; none: UTC.")] = None,
    catchup: Annotated[CatchUp, Parameter(help="Which missed ticks run.")] = "latest",
    jitter: Annotated[float, Parameter(help="A run starts up to so many seconds after its tick.")] = 0.0,
    param: Pairs = None,
    params: Whole = None,
    slug: Annotated[str | None, Parameter(help="Its name among the schedules of the deployment.")] = None,
    replaces: Annotated[str | None, Parameter(help="The slug of the one that it takes the place of.")] = None,
    inactive: Annotated[bool, Parameter(help="It is paused until it is resumed.")] = False,
) -> None:
    """Make a schedule of a deployment; it stays when the code is deployed anew."""
    backend, now = open_backend(runs=False), times.now()
    found = find(backend, name)
    spec = ScheduleSpec(
        cron=cron,
        interval=None if interval is None else (now - times.parse_since(interval, now)) / times.SECOND,
        rrule=rrule,
        anchor_date=None if anchor_date is None else times.parse_since(anchor_date, now),
        timezone=timezone,
        catchup=catchup,
        jitter=jitter,
        parameters=parameters_for(found, param, params),
        slug=slug,
        active=not inactive,
    )
    made = backend.create_schedule(NewSchedule(deployment_id=found.id, spec=spec, replaces=replaces))
    first = "it does not tick" if made.next_tick is None else f"first at {times.clock(made.next_tick)}"
    print(f"Schedule {id_text(made.id)} of {name_of(found)!r} is made: {_words(spec)}; {first}.")


@app.command
def ls(name: DeploymentTarget, /, *, output: Output = "table") -> None:
    """List the schedules of a deployment."""
    found = find(open_backend(runs=False), name)
    show_list(iter(found.schedules), None, output, schedule_rows, empty=NO_SCHEDULES)


@app.command
def pause(name: DeploymentTarget, schedule: Target, /) -> None:
    """Pause a schedule."""
    _change(name, schedule, active=False)
    print(f"Schedule {schedule!r} is paused.")


@app.command
def resume(name: DeploymentTarget, schedule: Target, /) -> None:
    """Have a schedule tick again; what it missed is not made up for."""
    _change(name, schedule, active=True)
    print(f"Schedule {schedule!r} is resumed.")


@app.command
def delete(name: DeploymentTarget, schedule: Target, /) -> None:
    """Delete a schedule; runs that it has made stay."""
    backend = open_backend(runs=False)
    backend.delete_schedule(find_schedule(find(backend, name), schedule).id)
    print(f"Schedule {schedule!r} is deleted.")


@app.command
def clear(name: DeploymentTarget, /) -> None:
    """Delete all schedules of a deployment."""
    backend = open_backend(runs=False)
    found = find(backend, name)
    for schedule in found.schedules:
        backend.delete_schedule(schedule.id)
    print(f"{len(found.schedules)} schedules of {name_of(found)!r} are deleted.")


def _change(name: str, text: str, **values: Any) -> None:
    backend = open_backend(runs=False)
    found = find_schedule(find(backend, name), text)
    backend.update_schedule(found.id, msgspec.structs.replace(found.spec, **values))


def _words(spec: ScheduleSpec) -> str:
    from dalsegno import _scheduling as scheduling

    return scheduling.in_words(spec)
