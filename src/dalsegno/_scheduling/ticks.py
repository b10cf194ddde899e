"""The ticks of a schedule, of whichever kind it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice, takewhile

from dalsegno._scheduling import cron, interval, rrule
from dalsegno._scheduling.wall_clock import FIRST_YEAR, LAST_YEAR, WallClock, as_utc
from dalsegno.model.schedules import ScheduleSpec

EARLIEST, LATEST = (as_utc(datetime(year, 1, 1)) for year in (FIRST_YEAR, LAST_YEAR))
"""Moments before and after which no tick is looked for."""


def next_tick(spec: ScheduleSpec, after: int) -> int | None:
    """Return the first tick strictly after a moment (microseconds, UTC); None: there is none any more."""
    return next(_ticks_after(spec, after), None)


def ticks_between(spec: ScheduleSpec, start: int, end: int, limit: int) -> list[int]:
    """Return the ticks from `start` on and before `end`, in order, at most `limit` of them."""
    return list(islice(takewhile(lambda tick: tick < end, _ticks_after(spec, start - 1)), limit))


def latest_tick(spec: ScheduleSpec, start: int, end: int) -> int | None:
    """Return the last tick from `start` on and before `end`; None: there is none.

    It costs some fifty calls of `next_tick`, however many ticks there are between.
    """
    low, high = start - 1, end - 1
    latest = None
    while low < high:
        middle = (low + high) // 2
        tick = next_tick(spec, middle)
        if tick is None or tick >= end:
            high = middle
        else:
            low = latest = tick
    return latest


def zone_name(spec: ScheduleSpec) -> str:
    """Return the name of the time zone that a schedule counts in."""
    return (spec.timezone if spec.rrule is None else rrule.zone_of(spec)) or "UTC"


def _ticks_after(spec: ScheduleSpec, after: int) -> Iterator[int]:
    if after >= LATEST:
        return iter(())
    return takewhile(lambda tick: tick < LATEST, _of_its_kind(spec, max(after, EARLIEST)))


def _of_its_kind(spec: ScheduleSpec, after: int) -> Iterator[int]:
    if spec.rrule is not None:
        return rrule.ticks(spec, after)
    kind = cron if spec.cron is not None else interval
    return kind.ticks(spec, WallClock(spec.timezone), after)
