"""Recurrence rules, walked by python-dateutil, so that it never has far to walk.

A rule is begun shortly before the moment that is asked for, in a period that it would have come to from its own start.
And it is walked some thousands of years ahead, for python-dateutil only stops looking at the end of the year 9999: the
calendar repeats itself every 400 years, weekdays and all, so a rule that never comes is given up at the end of 2399.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import MAXYEAR, datetime, timedelta
from itertools import groupby, islice
from typing import Any

from dalsegno._scheduling.rrule_text import DAY_PARTS, FREQUENCIES, Rule, RuleText, read
from dalsegno._scheduling.wall_clock import DEFAULT_ANCHOR, LAST_YEAR, WallClock, by_the_clock, each_once
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import ScheduleSpec

YEARLY, MONTHLY, HOURLY = 0, 1, 4
_PERIODS = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
    "SECONDLY": timedelta(seconds=1),
}
_AHEAD = 7600
"""Years: a multiple of 400, with which LAST_YEAR is near the end."""
_MICROSECOND = timedelta(microseconds=1)


def ticks(spec: ScheduleSpec, after: int) -> Iterator[int]:
    """Give the ticks after a moment. Rules that name no hours follow the clock through the day."""
    text = read(spec)
    clock = WallClock(text.zone)

    def occurrences(wall: datetime) -> Iterator[datetime]:
        return _occurrences(text, wall)

    through_the_day = not any(rule.names_hours for rule in text.rules)
    return (by_the_clock if through_the_day and clock.zone is not None else each_once)(clock, occurrences, after)


def zone_of(spec: ScheduleSpec) -> str | None:
    """Return the zone that a rule counts in, which its DTSTART may name."""
    return read(spec).zone


def check(spec: ScheduleSpec) -> None:
    """Raise InvalidSchedule, which names the part that is wrong."""
    text = read(spec)
    for rule in text.rules:
        try:
            first = next(_walk(rule, text.start, datetime.min), None)
        except ValueError:  # python-dateutil: the interval passes over all hours or minutes that are named
            first = None
        if first is None:
            raise InvalidSchedule(
                f"rrule {spec.rrule!r} never ticks: no date from {text.start} on has what it asks for."
            )


def _occurrences(text: RuleText, wall: datetime) -> Iterator[datetime]:
    """Give the wall times after one, each once."""
    extra = [time for time in text.extra if time > wall]
    merged = heapq.merge(extra, *(_walk(rule, text.start, wall) for rule in text.rules))
    return (time for time, _ in groupby(merged) if time not in text.left_out)


def _walk(rule: Rule, start: datetime, wall: datetime) -> Iterator[datetime]:
    """Give the wall times of one rule after one. A rule that is counted is walked from its start."""
    walk = _by_days if rule.freq > HOURLY and rule.names_days and rule.names_times else _straight
    if rule.count is None:
        return walk(rule, start, wall)
    counted = islice(walk(rule, start, datetime.min), rule.count)
    return (time for time in counted if time > wall)


def _by_days(rule: Rule, start: datetime, wall: datetime) -> Iterator[datetime]:
    """Give the wall times of a rule that names times as well as days: look for the days first, for python-dateutil
    looks at each minute or second of the days that are passed over."""
    days, times = rule.without_times(), rule.without_days()
    time = next(_straight(times, start, wall), None)
    while time is not None:
        midnight = time.replace(hour=0, minute=0, second=0)
        day = next(_straight(days, DEFAULT_ANCHOR.replace(year=1), midnight - _MICROSECOND), None)
        if day is None or day.year >= LAST_YEAR:
            return
        if day > midnight:
            time = next(_straight(times, start, day - _MICROSECOND), None)
            continue
        on_it, later = _on_day(_straight(times, start, time - _MICROSECOND), day + timedelta(days=1))
        yield from on_it
        time = later


def _on_day(walk: Iterator[datetime], end: datetime) -> tuple[list[datetime], datetime | None]:
    """Return the wall times before the end of a day, and the next one."""
    on_it: list[datetime] = []
    for time in walk:
        if time >= end:
            return on_it, time
        on_it.append(time)
    return on_it, None


def _straight(rule: Rule, start: datetime, wall: datetime) -> Iterator[datetime]:
    from dateutil.rrule import rrule

    frequency: Any = rule.freq
    found = rrule(
        frequency,
        dtstart=_moved(_begin(rule, start, wall)),
        interval=rule.interval,
        until=None if rule.until is None else _moved(rule.until),
        wkst=rule.wkst,
        **_by_parts(rule, start),
    )
    for time in found:
        back = time.replace(year=time.year - _AHEAD)
        if back > wall:
            yield back


def _moved(wall: datetime) -> datetime:
    """Return a wall time _AHEAD, or the last one there is."""
    year = wall.year + _AHEAD
    return wall.replace(year=year) if year <= MAXYEAR else datetime.max.replace(microsecond=0)


def _begin(rule: Rule, start: datetime, wall: datetime) -> datetime:
    """Return where a rule may begin so that it comes by the same times after a wall time: at least a whole period
    earlier, in step with its start."""
    if wall <= start:
        return start
    period = _PERIODS.get(FREQUENCIES[rule.freq])
    if period is not None:
        step = period * rule.interval
        return start + max(0, (wall - start) // step - 1) * step
    months = rule.interval * (12 if rule.freq == YEARLY else 1)
    passed = (wall.year - start.year) * 12 + wall.month - start.month
    steps = passed // months - 1
    if steps <= 0:
        return start
    # What its start says of month and day stands in _by_parts.
    year, month = divmod(start.year * 12 + start.month - 1 + steps * months, 12)
    return start.replace(year=year, month=1 if rule.freq == YEARLY else month + 1, day=1)


def _by_parts(rule: Rule, start: datetime) -> dict[str, Any]:
    """Return the parts as python-dateutil takes them, with what a rule takes from its start written out."""
    from dateutil.rrule import weekday

    parts: dict[str, Any] = {name.lower(): values for name, values in rule.lists.items()}
    if rule.days:
        parts["byweekday"] = [weekday(day, which) if which else weekday(day) for day, which in rule.days]
    elif rule.freq <= MONTHLY and not any(name in rule.lists for name in DAY_PARTS):
        parts["bymonthday"] = [start.day]
        if rule.freq == YEARLY:
            parts.setdefault("bymonth", [start.month])
    return parts
