"""A recurrence rule in plain words."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime

from dalsegno._scheduling.rrule_text import DAY_PARTS, Rule, read
from dalsegno.model.schedules import ScheduleSpec

_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_YEARLY, _MONTHLY, _WEEKLY, _DAILY = range(4)
_SAID = ("BYMONTH", "BYMONTHDAY")
"""What has words of its own; other parts are given as they are written."""


def in_words(spec: ScheduleSpec) -> str:
    """Say when a rule comes: "Every 2 weeks on Monday and Friday at 09:00, Europe/Berlin"."""
    text = read(spec)
    said = "; ".join(" ".join(_words(rule, text.start)) for rule in text.rules)
    if text.extra:
        said += f"; also {_times(text.extra)}"
    if text.left_out:
        said += f"; not {_times(sorted(text.left_out))}"
    return f"{said}, {text.zone or 'UTC'}"


def _words(rule: Rule, start: datetime) -> Iterator[str]:
    unit = _UNITS[rule.freq]
    yield f"Every {unit}" if rule.interval == 1 else f"Every {rule.interval} {unit}s"
    lists, picks_days = dict(rule.lists), rule.days or not rule.lists.keys().isdisjoint(DAY_PARTS)
    if rule.freq == _YEARLY and not picks_days:
        lists.setdefault("BYMONTH", [start.month])
    if rule.freq <= _MONTHLY and not picks_days:
        lists["BYMONTHDAY"] = [start.day]
    days = rule.days or ([(start.weekday(), 0)] if rule.freq == _WEEKLY and not picks_days else [])
    if days:
        yield f"on {_joined([_day(*day) for day in days])}"
    if "BYMONTHDAY" in lists:
        yield f"on {_joined([_day_of_month(day) for day in lists['BYMONTHDAY']])}"
    if "BYMONTH" in lists:
        yield f"in {_joined([calendar.month_name[month] for month in lists['BYMONTH']])}"
    yield from _clock_words(rule, start)
    yield from _bounds(rule)


def _clock_words(rule: Rule, start: datetime) -> Iterator[str]:
    lists = rule.lists
    rest = {name: lists[name] for name in lists if name not in _SAID}
    if rule.freq <= _DAILY:
        hours, minutes, seconds = (
            rest.pop(name, [default])
            for name, default in (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second))
        )
        times = [(hour, minute, second) for hour in hours for minute in minutes for second in seconds]
        yield f"at {_joined([_time(*time) for time in sorted(times)])}"
    if rest:
        written = [f"{name}={','.join(map(str, values))}" for name, values in rest.items()]
        yield f"({'; '.join(written)})"


def _bounds(rule: Rule) -> Iterator[str]:
    if rule.until is not None:
        yield f"until {rule.until}"
    if rule.count is not None:
        yield "once" if rule.count == 1 else f"{rule.count} times"


def _day(weekday: int, which: int) -> str:
    name = calendar.day_name[weekday]
    return name if which == 0 else f"the {_ordinal(which)} {name}"


def _day_of_month(day: int) -> str:
    return f"day {day}" if day > 0 else f"the {_ordinal(day)} day"


def _ordinal(number: int) -> str:
    return _ORDINALS.get(number) or (f"{number}th" if number > 0 else f"{-number}th to last")


def _time(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _times(times: list[datetime]) -> str:
    return _joined([str(time) for time in times]) if len(times) <= 3 else f"{len(times)} other times"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
