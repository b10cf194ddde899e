"""`/api/deployments/{id}/schedules`: when a deployment runs by itself, what that means, and what was missed."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, delete, get, patch, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from dalsegno import _scheduling as scheduling
from dalsegno._backend import backfilling
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.deployments import DeploymentView, NewSchedule, ScheduleView
from dalsegno.model.resources.deployments import MOST_RUNS
from dalsegno.model.resources.schedules import (
    BackfillAnswer,
    BackfillItem,
    BackfillNew,
    Schedule,
    ScheduleChange,
    ScheduleList,
    ScheduleNewOfDeployment,
    Tick,
    UpcomingTicks,
    changed_schedule,
    from_new_schedule,
    to_schedule,
)
from dalsegno.model.resources.values import from_time, to_id, to_optional_id, to_time
from dalsegno.server.asking import ask
from dalsegno.server.clock import now
from dalsegno.server.packing import check_packable
from dalsegno.server.parameters import Id

_PATH = "/api/deployments/{id:uuid}"
_ITEM = _PATH + "/schedules/{schedule_id:uuid}"
_TAGS = ["Deployments"]
_YEAR = 366 * 86_400_000_000
_Any = Request[Any, Any, Any]
_ScheduleId = Annotated[uuid.UUID, PathParameter(description="The schedule's id.")]
_Start = Annotated[datetime | None, QueryParameter(name="start", description="Ticks then or later; none: now.")]
_End = Annotated[datetime | None, QueryParameter(name="end", description="Ticks before it; none: a year later.")]
_Ticks = Annotated[int, QueryParameter(name="limit", description="How many at most.", ge=1, le=200)]


@get(_PATH + "/schedules", operation_id="list_schedules", tags=_TAGS)
async def list_schedules(request: _Any, id: Id) -> ScheduleList:
    """Return all schedules of a deployment."""
    found = await _deployment(request, id)
    return ScheduleList(items=[_shown(each) for each in found.schedules])


@post(_PATH + "/schedules", operation_id="create_schedule", tags=_TAGS)
async def create_schedule(request: _Any, id: Id, data: JSONBody[ScheduleNewOfDeployment]) -> Schedule:
    """Make a schedule by hand: it stays when the code is deployed anew."""
    check_packable(data)
    new = NewSchedule(deployment_id=id.bytes, spec=from_new_schedule(data), replaces=data.replaces)
    return _shown(await ask(request, _backend(request).create_schedule, new))


@get(_ITEM, operation_id="read_schedule", tags=_TAGS)
async def read_schedule(request: _Any, id: Id, schedule_id: _ScheduleId) -> Schedule:
    """Return a schedule of a deployment."""
    return _shown(await _schedule(request, id, schedule_id))


@patch(_ITEM, operation_id="update_schedule", tags=_TAGS)
async def update_schedule(request: _Any, id: Id, schedule_id: _ScheduleId, data: JSONBody[ScheduleChange]) -> Schedule:
    """Change a schedule by hand; `active` pauses and resumes it."""
    check_packable(data)
    before = await _schedule(request, id, schedule_id)
    spec = changed_schedule(before.spec, data)
    return _shown(await ask(request, _backend(request).update_schedule, schedule_id.bytes, spec))


@delete(_ITEM, operation_id="delete_schedule", tags=_TAGS)
async def delete_schedule(request: _Any, id: Id, schedule_id: _ScheduleId) -> None:
    """Delete a schedule; runs that it has made stay."""
    await _schedule(request, id, schedule_id)
    if not await ask(request, _backend(request).delete_schedule, schedule_id.bytes):
        raise _missing(id, schedule_id)


@get(_PATH + "/upcoming", operation_id="list_upcoming_ticks", tags=_TAGS)
async def list_upcoming(
    request: _Any, id: Id, start: _Start = None, end: _End = None, limit: _Ticks = 50
) -> UpcomingTicks:
    """Return when the active schedules of a deployment will have it run: computed, nothing is made."""
    deployment = await _deployment(request, id)
    first = now() if start is None else from_time(start)
    last = first + _YEAR if end is None else from_time(end)
    specs = [schedule.spec for schedule in deployment.schedules]
    ticks = await ask(request, scheduling.upcoming, specs, first, last, limit)
    items = [_tick(deployment.schedules[place], tick) for tick, place in ticks]
    return UpcomingTicks(items=items, paused=deployment.spec.paused)


@post(_PATH + "/backfill", operation_id="backfill_deployment", tags=_TAGS, status_code=200)
async def backfill(request: _Any, id: Id, data: JSONBody[BackfillNew]) -> BackfillAnswer:
    """Ask for the runs that a deployment should have had in a span of time, up to 1,000: each has the key of its tick,
    so what ran by schedule, or was asked for by an earlier backfill, is not made again."""
    check_packable(data)
    deployment = await _deployment(request, id)
    asked = backfilling.Backfill(
        from_time(data.start), from_time(data.end), data.every, data.parameters, data.max_concurrent
    )
    if data.dry_run:
        found = await ask(request, backfilling.plan, deployment, asked, now(), MOST_RUNS)
    else:
        backend = _backend(request)
        found = await ask(request, backfilling.backfill, backend, deployment, asked, now(), MOST_RUNS)
    return BackfillAnswer(dry_run=data.dry_run, items=[_item(run) for run in found])


def _item(run: backfilling.BackfillRun) -> BackfillItem:
    return BackfillItem(
        time=to_time(run.tick),
        schedule_id=to_optional_id(run.schedule_id),
        flow_run_id=to_optional_id(run.flow_run_id),
        created=run.created,
    )


def _tick(schedule: ScheduleView, tick: int) -> Tick:
    words = scheduling.in_words(schedule.spec)
    return Tick(time=to_time(tick), schedule_id=to_id(schedule.id), slug=schedule.spec.slug, words=words)


async def _deployment(request: _Any, id: uuid.UUID) -> DeploymentView:
    return await ask(request, _backend(request).read_deployment, id.bytes)


async def _schedule(request: _Any, id: uuid.UUID, schedule_id: uuid.UUID) -> ScheduleView:
    deployment = await _deployment(request, id)
    found = next((each for each in deployment.schedules if each.id == schedule_id.bytes), None)
    if found is None:
        raise _missing(id, schedule_id)
    return found


def _missing(id: uuid.UUID, schedule_id: uuid.UUID) -> ObjectNotFound:
    return ObjectNotFound(f"Deployment {id} has no schedule {schedule_id}.")


def _shown(view: ScheduleView) -> Schedule:
    return to_schedule(view, scheduling.in_words(view.spec))


def _backend(request: _Any) -> StoreBackend:
    return request.app.state.backend


routes = [
    list_schedules,
    create_schedule,
    read_schedule,
    update_schedule,
    delete_schedule,
    list_upcoming,
    backfill,
]
