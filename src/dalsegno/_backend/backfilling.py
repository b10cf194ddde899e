"""Backfill: the runs that a deployment should have had in a span of time, asked for now, each once.

A run has the key of its tick, so one that its schedule has made already is not made again, and a backfill that broke
off goes on when it is asked for again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from dalsegno import _scheduling as scheduling
from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dalsegno.model.deployments import DeploymentRun, DeploymentView
from dalsegno.model.ids import id_text
from dalsegno.model.pools import NewQueue, QueueChange
from dalsegno.model.schedules import ScheduleSpec

LAST_PRIORITY = 1_000
"""Of a backfill's own queue: the others of the pool are served before it."""


class Backfill(NamedTuple):
    """What is to be made up for."""

    start: int
    """Microseconds, UTC; ticks at or after it."""
    end: int
    """Ticks before it."""
    every: float | None = None
    """Seconds from run to run, counted from `start`; None: the ticks of the deployment's schedules."""
    parameters: dict[str, Any] = {}
    """They go before those of the schedule and the deployment."""
    max_concurrent: int | None = None
    """How many of its runs there are at one time; None: as many as otherwise."""


class BackfillRun(NamedTuple):
    """A run of a backfill."""

    tick: int
    schedule_id: bytes | None
    flow_run_id: bytes | None
    """None: it was only planned, or it was deleted since."""
    name: str | None
    created: bool
    """False: there was one of this tick already, or it was only planned."""


class _Wish(NamedTuple):
    tick: int
    schedule_id: bytes | None
    parameters: dict[str, Any]
    key: str


def plan(deployment: DeploymentView, asked: Backfill, now: int, most: int) -> list[BackfillRun]:
    """Return the runs that a backfill would ask for. Raises InvalidRequest for one that cannot be, or has too many."""
    return [
        BackfillRun(wish.tick, wish.schedule_id, None, None, False) for wish in _wishes(deployment, asked, now, most)
    ]


def backfill(backend: Backend, deployment: DeploymentView, asked: Backfill, now: int, most: int) -> list[BackfillRun]:
    """Ask for the runs of a backfill, the earliest first. Raises what `plan` does, and InvalidParameters."""
    wishes = _wishes(deployment, asked, now, most)
    queue = None
    if asked.max_concurrent is not None and wishes:
        queue = _queue(backend, deployment, asked.max_concurrent)
    return [_request(backend, deployment, asked, wish, queue) for wish in wishes]


def _wishes(deployment: DeploymentView, asked: Backfill, now: int, most: int) -> list[_Wish]:
    _check(deployment, asked, now)
    wishes = _of_schedules(deployment, asked, most) if asked.every is None else _every(asked, asked.every, most)
    if len(wishes) > most:
        raise InvalidRequest(f"That is more than {most} runs, the most that one backfill makes: ask for less at once.")
    return wishes


def _of_schedules(deployment: DeploymentView, asked: Backfill, most: int) -> list[_Wish]:
    # What is to be made up for may have been missed because they were paused.
    specs = [_active(schedule.spec) for schedule in deployment.schedules]
    found: list[_Wish] = []
    for tick, place in scheduling.upcoming(specs, asked.start, asked.end, most + 1):
        schedule = deployment.schedules[place]
        # The key that the scheduler gives the run of a tick.
        key = f"schedule {id_text(schedule.id)} {_iso(tick)}"
        found.append(_Wish(tick, schedule.id, schedule.spec.parameters, key))
    return found


def _every(asked: Backfill, every: float, most: int) -> list[_Wish]:
    spec = ScheduleSpec(interval=every, anchor_date=asked.start)
    try:
        scheduling.check(spec)
    except scheduling.InvalidSchedule as error:
        raise InvalidRequest(str(error)) from error
    ticks = scheduling.ticks_between(spec, asked.start, asked.end, most + 1)
    return [_Wish(tick, None, {}, f"backfill {_iso(tick)}") for tick in ticks]


def _check(deployment: DeploymentView, asked: Backfill, now: int) -> None:
    name = f"'{deployment.spec.flow_name}/{deployment.spec.name}'"
    if asked.end <= asked.start:
        raise InvalidRequest(f"A backfill from {_iso(asked.start)} to {_iso(asked.end)} is empty: it ends too early.")
    if asked.end > now:
        raise InvalidRequest(f"A backfill is of the past, but {_iso(asked.end)} is not over yet: end it earlier.")
    if asked.every is None and not deployment.schedules:
        raise InvalidRequest(f"Deployment {name} has no schedules: say how often it is to run, with `every`.")
    if asked.max_concurrent is not None and deployment.spec.work_pool_name is None:
        raise InvalidRequest(
            f"Deployment {name} has no work pool, in which a queue could bound the backfill: give the deployment a"
            " concurrency limit instead."
        )


def _queue(backend: Backend, deployment: DeploymentView, limit: int) -> str:
    """Return the queue of a deployment's backfills, which bounds how many of their runs there are."""
    pool = deployment.spec.work_pool_name or ""
    name = f"backfill-{id_text(deployment.id)}"
    described = f"Backfills of '{deployment.spec.flow_name}/{deployment.spec.name}'."
    new = NewQueue(
        work_pool_name=pool, name=name, description=described, priority=LAST_PRIORITY, concurrency_limit=limit
    )
    try:
        backend.create_queue(new)
    except ObjectAlreadyExists:
        backend.update_queue(pool, name, QueueChange(concurrency_limit=limit))
    return name


def _request(
    backend: Backend, deployment: DeploymentView, asked: Backfill, wish: _Wish, queue: str | None
) -> BackfillRun:
    run = DeploymentRun(
        deployment_id=deployment.id,
        parameters={**wish.parameters, **asked.parameters},
        # So the flow is told for when it runs, and the earliest goes first; what runs by schedule goes before.
        due=wish.tick,
        priority=deployment.spec.priority - 1,
        tags=["backfill"],
        idempotency_key=wish.key,
        work_queue_name=queue,
        schedule_id=wish.schedule_id,
    )
    try:
        made = backend.request_deployment_run(run)
    except ObjectNotFound:
        backend.read_deployment(deployment.id)
        # The deployment is there: the run of this tick was deleted, and is not made again behind anybody's back.
        return BackfillRun(wish.tick, wish.schedule_id, None, None, False)
    return BackfillRun(wish.tick, wish.schedule_id, made.flow_run_id, made.name, made.created)


def _active(spec: ScheduleSpec) -> ScheduleSpec:
    return spec if spec.active else msgspec.structs.replace(spec, active=True)


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).isoformat()
