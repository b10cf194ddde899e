"""Schedules for deployments: `Cron`, `Interval` and `RRule`, or `Schedule`, which takes any one of the three.

A schedule checks its values when it is made: one that cannot be is an InvalidSchedule (a ValueError) that says what is
wrong. It is compared by its values and does not change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from dalsegno import _scheduling
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import CatchUp, ScheduleSpec

__all__ = ["Cron", "Interval", "InvalidSchedule", "RRule", "Schedule"]

Duration: TypeAlias = timedelta | float
"""A timedelta, or seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FOREVER = 1 << 62


@dataclass(frozen=True, init=False, slots=True, repr=False)
class Schedule:
    """When a deployment runs: by exactly one of `interval`, `cron` and `rrule`.

    Args:
        interval: A timedelta, or seconds. Whole days are days of the calendar in `timezone`, so that a daily run keeps
            its hour; anything else is time that passes.
        cron: Five fields, six with the seconds in front, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
        rrule: A rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO;BYHOUR=9`, with or without a line of DTSTART.
        timezone: A name such as `Europe/Berlin`. None: UTC.
        anchor_date: A time from which an interval is counted, both ways, or at which a rule starts; without a zone it
            is a time in `timezone`. None: Monday, 1 January 2024, 00:00.
        day_or: Of a cron with a day of the month and a day of the week, True: either is enough; False: both must match.
        active: False: it is paused.
        parameters: Of the flow, for the runs of this schedule: values that JSON can hold; a date becomes a text.
        slug: Its name among the schedules of a deployment.
        catchup: What runs of the ticks that were missed while no server ran: the `latest`, `all` or `none`.
        jitter: Each run starts up to so much later than its tick, a timedelta or seconds.
        max_lateness: What was missed for longer, a timedelta or seconds, is not run any more. None: there is no bound.

    Raises:
        InvalidSchedule: A value cannot be; a ValueError.

    Example:
        >>> Schedule(cron="0 9 * * MON-FRI", timezone="Europe/Berlin").next(2, after=datetime(2026, 1, 2, 12))
        [datetime.datetime(2026, 1, 5, 9, 0, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin')), ...]
    """

    interval: timedelta | None
    cron: str | None
    rrule: str | None
    timezone: str | None
    anchor_date: datetime | None
    day_or: bool
    active: bool
    parameters: dict[str, Any]
    slug: str | None
    catchup: CatchUp
    jitter: timedelta
    max_lateness: timedelta | None

    def __init__(
        self,
        interval: Duration | None = None,
        cron: str | None = None,
        rrule: str | None = None,
        timezone: str | None = None,
        anchor_date: datetime | None = None,
        day_or: bool = True,
        active: bool = True,
        parameters: Mapping[str, Any] | None = None,
        slug: str | None = None,
        *,
        catchup: CatchUp = "latest",
        jitter: Duration = 0,
        max_lateness: Duration | None = None,
    ) -> None:
        values = {
            "interval": _duration("interval", interval),
            "cron": cron,
            "rrule": rrule,
            "timezone": timezone,
            "anchor_date": None,
            "day_or": day_or,
            "active": active,
            "parameters": _plain(parameters),
            "slug": slug,
            "catchup": catchup,
            "jitter": _duration("jitter", jitter),
            "max_lateness": _duration("max_lateness", max_lateness),
        }
        self._set(values)
        # The zone, by which a time without one is read, has been checked.
        if anchor_date is not None:
            self._set({"anchor_date": _aware(anchor_date, self._zone())})

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _scheduling.check(self.to_spec())

    @classmethod
    def from_spec(cls, spec: ScheduleSpec) -> Schedule:
        """Return the schedule that plain values describe. InvalidSchedule: they describe none."""
        _scheduling.check(spec)
        zone = ZoneInfo(_scheduling.zone_name(spec)) if spec.anchor_date is not None else None
        return Schedule(
            interval=spec.interval,
            cron=spec.cron,
            rrule=spec.rrule,
            timezone=spec.timezone,
            anchor_date=None if spec.anchor_date is None else _time_at(spec.anchor_date, zone),
            day_or=spec.day_or,
            active=spec.active,
            parameters=spec.parameters,
            slug=spec.slug,
            catchup=spec.catchup,
            jitter=spec.jitter,
            max_lateness=spec.max_lateness,
        )

    def to_spec(self) -> ScheduleSpec:
        """Return the plain values, as they are stored and sent."""
        return ScheduleSpec(
            interval=None if self.interval is None else self.interval.total_seconds(),
            cron=self.cron,
            rrule=self.rrule,
            timezone=self.timezone,
            anchor_date=None if self.anchor_date is None else _moment(self.anchor_date),
            day_or=self.day_or,
            active=self.active,
            parameters=self.parameters,
            slug=self.slug,
            catchup=self.catchup,
            jitter=self.jitter.total_seconds(),
            max_lateness=None if self.max_lateness is None else self.max_lateness.total_seconds(),
        )

    def next(self, n: int = 1, after: datetime | None = None) -> list[datetime]:
        """Return the next `n` ticks after a time (None: now), in the schedule's time zone; fewer if it ends.

        A time without a zone is one in the schedule's zone. The ticks are without jitter, and those of a paused
        schedule are those that it would have.
        """
        zone = self._zone()
        moment = time.time_ns() // 1000 if after is None else _moment(_aware(after, zone))
        return [_time_at(tick, zone) for tick in _scheduling.ticks_between(self.to_spec(), moment + 1, _FOREVER, n)]

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(_scheduling.zone_name(self.to_spec()))

    def __str__(self) -> str:
        """Say in words when it runs: "At 09:00 on Monday to Friday, Europe/Berlin"."""
        return _scheduling.in_words(self.to_spec())

    def __repr__(self) -> str:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = [f"{name}={value!r}" for name, value in values.items() if value != _DEFAULTS.get(name)]
        return f"Schedule({', '.join(given)})"


_DEFAULTS: dict[str, Any] = {
    "day_or": True,
    "active": True,
    "parameters": {},
    "catchup": "latest",
    "jitter": timedelta(0),
}


def Cron(
    cron: str,
    timezone: str | None = None,
    day_or: bool = True,
    active: bool = True,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
    *,
    catchup: CatchUp = "latest",
    jitter: Duration = 0,
    max_lateness: Duration | None = None,
) -> Schedule:
    """Return a schedule by a cron text; the arguments are those of `Schedule`.

    Example:
        >>> Cron("0 0 * * *", timezone="America/New_York", catchup="all")
    """
    return Schedule(
        cron=cron,
        timezone=timezone,
        day_or=day_or,
        active=active,
        parameters=parameters,
        slug=slug,
        catchup=catchup,
        jitter=jitter,
        max_lateness=max_lateness,
    )


def Interval(
    interval: Duration,
    anchor_date: datetime | None = None,
    timezone: str | None = None,
    active: bool = True,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
    *,
    catchup: CatchUp = "latest",
    jitter: Duration = 0,
    max_lateness: Duration | None = None,
) -> Schedule:
    """Return a schedule that ticks again and again after the same time, a timedelta or seconds; the arguments are
    those of `Schedule`.

    Example:
        >>> Interval(timedelta(minutes=10))
    """
    return Schedule(
        interval=interval,
        anchor_date=anchor_date,
        timezone=timezone,
        active=active,
        parameters=parameters,
        slug=slug,
        catchup=catchup,
        jitter=jitter,
        max_lateness=max_lateness,
    )


def RRule(
    rrule: str,
    timezone: str | None = None,
    active: bool = True,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
    *,
    catchup: CatchUp = "latest",
    jitter: Duration = 0,
    max_lateness: Duration | None = None,
) -> Schedule:
    """Return a schedule by a recurrence rule of RFC 5545; the arguments are those of `Schedule`.

    Example:
        >>> RRule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", timezone="Europe/Berlin")  # the last Friday of each month
    """
    return Schedule(
        rrule=rrule,
        timezone=timezone,
        active=active,
        parameters=parameters,
        slug=slug,
        catchup=catchup,
        jitter=jitter,
        max_lateness=max_lateness,
    )


def _duration(name: str, given: Duration | None) -> timedelta | None:
    if given is None or isinstance(given, timedelta):
        return given
    try:
        return timedelta(seconds=given)
    except (TypeError, ValueError, OverflowError):
        raise InvalidSchedule(f"{name} is {given!r}; it may be a timedelta or a number of seconds.") from None


def _plain(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return parameters as they are stored, so that what is read again is equal."""
    try:
        return msgspec.json.decode(msgspec.json.encode(dict(parameters or {})))
    except (TypeError, ValueError) as error:
        raise InvalidSchedule(f"parameters cannot be stored: {error}") from None


def _aware(given: datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(given, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidSchedule(f"{given!r} is no datetime.")
    return (given if given.tzinfo is not None else given.replace(tzinfo=zone)).astimezone(zone)


def _moment(aware: datetime) -> int:
    return (aware - _EPOCH) // _MICROSECOND


def _time_at(moment: int, zone: ZoneInfo | None) -> datetime:
    return (_EPOCH + moment * _MICROSECOND).astimezone(zone)
