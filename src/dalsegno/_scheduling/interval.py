"""Intervals, counted from an anchor, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dalsegno._scheduling.wall_clock import DAY, WallClock, anchor_of, each_once
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import ScheduleSpec

LONGEST = 100 * 366 * 86_400
"""Seconds."""


def ticks(spec: ScheduleSpec, clock: WallClock, after: int) -> Iterator[int]:
    """Give the ticks after a moment: whole days are days of the calendar, all else is time that passes."""
    step, anchor = round((spec.interval or 0) * 1e6), anchor_of(spec, clock)
    if step % DAY or clock.zone is None:
        return _elapsed(anchor, step, after)
    first, days = clock.shows(anchor), timedelta(microseconds=step)

    def occurrences(wall: datetime) -> Iterator[datetime]:
        number = (wall - first) // days + 1
        while True:
            yield first + number * days
            number += 1

    return each_once(clock, occurrences, after)


def _elapsed(anchor: int, step: int, after: int) -> Iterator[int]:
    tick = anchor + ((after - anchor) // step + 1) * step
    while True:
        yield tick
        tick += step


def check(spec: ScheduleSpec) -> None:
    """Raise InvalidSchedule unless the interval is one."""
    if not 1 <= (spec.interval or 0) <= LONGEST:
        raise InvalidSchedule(f"interval is {spec.interval:g} seconds; it may be 1 second to 100 years.")
