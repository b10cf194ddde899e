"""Schedules of deployments, as the API shows them, and what they will do."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalsegno.model.deployments import ScheduleView
from dalsegno.model.resources.values import from_time, to_id, to_optional_time, to_time
from dalsegno.model.schedules import CatchUp, ScheduleSpec

Rule = Annotated[str, Meta(min_length=1, max_length=10_000)]
Seconds = Annotated[float, Meta(ge=0, le=1e10)]
Zone = Annotated[str, Meta(min_length=1, max_length=100)]
Slug = Annotated[str, Meta(min_length=1, max_length=255)]

_CRON = "Five fields, or six of which the first is the second; or a word such as `@daily`."
_INTERVAL = "Seconds from tick to tick; whole days are days of the calendar."
_RRULE = "A recurrence rule of RFC 5545."
_ANCHOR = "From when intervals are counted, or when a rule starts."
_ZONE = "A name of the IANA database, such as `Europe/Berlin`; null: UTC."
_DAY_OR = "Cron with days of the month and of the week: true: either is enough."
_JITTER = "A run starts up to so many seconds after its tick."
_CATCHUP = "What becomes of ticks that were missed: the `latest` runs, `all` run, or `none` does."
_LATENESS = "Seconds after which a missed tick is not caught up any more; null: there is no such bound."
_ACTIVE = "False: it is paused."
_PARAMETERS = "Of the flow, for the runs of this schedule; they go before those of the deployment."
_SLUG = "Its name among the schedules of its deployment."


class Schedule(msgspec.Struct, kw_only=True):
    """When a deployment is to run. Exactly one of `cron`, `interval` and `rrule` is set."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    deployment_id: Annotated[uuid.UUID, Meta(description="The deployment that it is of.")]
    words: Annotated[str, Meta(description="The same in plain words: `At 02:30 on Monday to Friday, Europe/Berlin`.")]
    cron: Annotated[str | None, Meta(description=_CRON)]
    interval: Annotated[float | None, Meta(description=_INTERVAL)]
    rrule: Annotated[str | None, Meta(description=_RRULE)]
    anchor_date: Annotated[datetime | None, Meta(description=_ANCHOR)]
    timezone: Annotated[str | None, Meta(description=_ZONE)]
    day_or: Annotated[bool, Meta(description=_DAY_OR)]
    jitter: Annotated[float, Meta(description=_JITTER)]
    catchup: Annotated[CatchUp, Meta(description=_CATCHUP)]
    max_lateness: Annotated[float | None, Meta(description=_LATENESS)]
    active: Annotated[bool, Meta(description=_ACTIVE)]
    parameters: Annotated[dict[str, Any], Meta(description=_PARAMETERS)]
    slug: Annotated[str | None, Meta(description=_SLUG)]
    next_tick: Annotated[
        datetime | None, Meta(description="Null: it, or its deployment, is paused, or it will not tick any more.")
    ]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]


class ScheduleNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A schedule to be made. Exactly one of `cron`, `interval` and `rrule` is set."""

    cron: Annotated[Rule | None, Meta(description=_CRON)] = None
    interval: Annotated[Seconds | None, Meta(description=_INTERVAL)] = None
    rrule: Annotated[Rule | None, Meta(description=_RRULE)] = None
    anchor_date: Annotated[datetime | None, Meta(description=_ANCHOR)] = None
    timezone: Annotated[Zone | None, Meta(description=_ZONE)] = None
    day_or: Annotated[bool, Meta(description=_DAY_OR)] = True
    jitter: Annotated[Seconds, Meta(description=_JITTER)] = 0.0
    catchup: Annotated[CatchUp, Meta(description=_CATCHUP)] = "latest"
    max_lateness: Annotated[Seconds | None, Meta(description=_LATENESS)] = None
    active: Annotated[bool, Meta(description=_ACTIVE)] = True
    parameters: Annotated[dict[str, Any], Meta(description=_PARAMETERS)] = {}
    slug: Annotated[Slug | None, Meta(description=_SLUG)] = None


class ScheduleNewOfDeployment(ScheduleNew, kw_only=True, forbid_unknown_fields=True):
    """A schedule to be made by hand. Exactly one of `cron`, `interval` and `rrule` is set."""

    replaces: Annotated[Slug | None, Meta(description="The slug of the one that it takes the place of.")] = None


class ScheduleChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a schedule; what is left out stays."""

    cron: Annotated[Rule | UnsetType | None, Meta(description=_CRON)] = UNSET
    interval: Annotated[Seconds | UnsetType | None, Meta(description=_INTERVAL)] = UNSET
    rrule: Annotated[Rule | UnsetType | None, Meta(description=_RRULE)] = UNSET
    anchor_date: Annotated[datetime | UnsetType | None, Meta(description=_ANCHOR)] = UNSET
    timezone: Annotated[Zone | UnsetType | None, Meta(description=_ZONE)] = UNSET
    day_or: Annotated[bool | UnsetType, Meta(description=_DAY_OR)] = UNSET
    jitter: Annotated[Seconds | UnsetType, Meta(description=_JITTER)] = UNSET
    catchup: Annotated[CatchUp | UnsetType, Meta(description=_CATCHUP)] = UNSET
    max_lateness: Annotated[Seconds | UnsetType | None, Meta(description=_LATENESS)] = UNSET
    active: Annotated[bool | UnsetType, Meta(description=_ACTIVE)] = UNSET
    parameters: Annotated[dict[str, Any] | UnsetType, Meta(description=_PARAMETERS)] = UNSET
    slug: Annotated[Slug | UnsetType | None, Meta(description=_SLUG)] = UNSET


class ScheduleList(msgspec.Struct, kw_only=True):
    """All schedules of a deployment."""

    items: Annotated[list[Schedule], Meta(description="The schedules, in the order in which they were made.")]


class Tick(msgspec.Struct, kw_only=True):
    """A moment at which a schedule will have its deployment run."""

    time: Annotated[datetime, Meta(description="When.")]
    schedule_id: Annotated[uuid.UUID, Meta(description="The schedule.")]
    slug: Annotated[str | None, Meta(description="The schedule's name.")]
    words: Annotated[str, Meta(description="The schedule in plain words.")]


class UpcomingTicks(msgspec.Struct, kw_only=True):
    """What the schedules of a deployment will do."""

    items: Annotated[list[Tick], Meta(description="The ticks, the earliest first.")]
    paused: Annotated[bool, Meta(description="The deployment's schedules are paused: none of this will happen.")]


def to_schedule(view: ScheduleView, words: str) -> Schedule:
    """Return a schedule of the store as the API shows it."""
    values = msgspec.structs.asdict(view.spec)
    values["anchor_date"] = to_optional_time(view.spec.anchor_date)
    return Schedule(
        id=to_id(view.id),
        deployment_id=to_id(view.deployment_id),
        words=words,
        next_tick=to_optional_time(view.next_tick),
        created=to_time(view.created),
        updated=to_time(view.updated),
        **values,
    )


def from_new_schedule(new: ScheduleNew) -> ScheduleSpec:
    """Return what the store is told of a new schedule."""
    return changed_schedule(ScheduleSpec(), new)


def changed_schedule(spec: ScheduleSpec, change: ScheduleNew | ScheduleChange) -> ScheduleSpec:
    """Return a schedule with what is to be changed of it."""
    values = {name: getattr(change, name) for name in ScheduleSpec.__struct_fields__}
    values = {name: value for name, value in values.items() if value is not UNSET}
    if isinstance(values.get("anchor_date"), datetime):
        values["anchor_date"] = from_time(values["anchor_date"])
    return msgspec.structs.replace(spec, **values)


class BackfillNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for the runs that a deployment should have had in a span of time, each once."""

    start: Annotated[datetime, Meta(description="Of ticks then or later.")]
    end: Annotated[datetime, Meta(description="Of ticks before it; not later than now.")]
    every: Annotated[
        Annotated[float, Meta(ge=1, le=1e10)] | None,
        Meta(description="Seconds from run to run, from `start` on; null: the ticks of the deployment's schedules."),
    ] = None
    parameters: Annotated[dict[str, Any], Meta(description="Of the flow, for these runs.")] = {}
    max_concurrent: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="How many of the runs there are at one time; null: as many as otherwise."),
    ] = None
    dry_run: Annotated[bool, Meta(description="Make nothing; tell what would be made.")] = False


class BackfillItem(msgspec.Struct, kw_only=True):
    """A run of a backfill."""

    time: Annotated[datetime, Meta(description="The tick that it is the run of.")]
    schedule_id: Annotated[uuid.UUID | None, Meta(description="The schedule whose tick that is.")]
    flow_run_id: Annotated[uuid.UUID | None, Meta(description="The run; null: there is none (yet, or any more).")]
    created: Annotated[bool, Meta(description="False: there was one of this tick already, or nothing was made.")]


class BackfillAnswer(msgspec.Struct, kw_only=True):
    """What a backfill made."""

    dry_run: Annotated[bool, Meta(description="Nothing was made; this is what would be.")]
    items: Annotated[list[BackfillItem], Meta(description="The runs, the earliest first.")]
