"""The text of a recurrence rule (RFC 5545): its lines and parts, checked, with all times as wall times of one zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time
from typing import NamedTuple, TypeAlias

import msgspec

from dalsegno._scheduling.wall_clock import DEFAULT_ANCHOR, WallClock, as_utc
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import ScheduleSpec

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
"""In the order of python-dateutil, whose numbers they have."""
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MOST_COUNTED = 10_000
"""A rule with COUNT has to be counted from its start each time."""
_LONGEST_INTERVAL = 10_000_000

# The values of the parts that are lists of numbers; negative ones count from the end.
_LISTS = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
}
DAY_PARTS = ("BYMONTHDAY", "BYYEARDAY", "BYWEEKNO")
_TIME_PARTS = ("BYSECOND", "BYMINUTE", "BYHOUR")
_DAILY = FREQUENCIES.index("DAILY")
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_TIME = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?")

ReadTime: TypeAlias = Callable[[str], datetime]


class Rule(msgspec.Struct, kw_only=True, frozen=True):
    """One RRULE."""

    freq: int
    """The place in FREQUENCIES."""
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    wkst: int = 0
    lists: dict[str, list[int]] = {}
    """BYHOUR and the like, by these names."""
    days: list[tuple[int, int]] = []
    """BYDAY: (weekday from 0, which one of the period; 0: all)."""

    @property
    def names_hours(self) -> bool:
        """Whether it comes at hours that it names, rather than through the day."""
        return self.freq <= _DAILY or "BYHOUR" in self.lists

    @property
    def names_times(self) -> bool:
        """Whether it picks seconds, minutes or hours."""
        return not self.lists.keys().isdisjoint(_TIME_PARTS)

    @property
    def names_days(self) -> bool:
        """Whether it picks days, of weeks, months or years."""
        return bool(self.days) or not self.lists.keys().isdisjoint(("BYMONTH", *DAY_PARTS))

    def without_times(self) -> Rule:
        """Return the rule for the days that it picks."""
        return Rule(freq=_DAILY, days=self.days, lists=self._lists_but(_TIME_PARTS))

    def without_days(self) -> Rule:
        """Return the rule that would come on any day."""
        return msgspec.structs.replace(self, days=[], lists=self._lists_but(("BYMONTH", *DAY_PARTS)))

    def _lists_but(self, names: tuple[str, ...]) -> dict[str, list[int]]:
        return {name: values for name, values in self.lists.items() if name not in names}


class RuleText(msgspec.Struct, kw_only=True, frozen=True):
    """All lines of a text."""

    zone: str | None
    start: datetime
    rules: list[Rule]
    extra: list[datetime]
    """RDATE, in order."""
    left_out: set[datetime]
    """EXDATE."""


class Line(NamedTuple):
    """A line of a text: `DTSTART;TZID=Europe/Berlin:20260101T090000`."""

    name: str
    options: list[str]
    value: str


def read(spec: ScheduleSpec) -> RuleText:
    """Read the text of a schedule. InvalidSchedule: something in it is wrong."""
    lines = [_line_of(text) for text in (spec.rrule or "").split()]
    starts = [line for line in lines if line.name == "DTSTART"]
    if len(starts) > 1:
        raise InvalidSchedule("rrule has more than one DTSTART.")
    zone = _zone_of(spec, starts)
    clock = _clock_of(starts[0], zone) if starts and zone is not None else WallClock(zone)

    def values(name: str) -> list[datetime]:
        found = [line for line in lines if line.name == name]
        return [_time_of(line, value, clock) for line in found for value in line.value.split(",")]

    anchor = DEFAULT_ANCHOR if spec.anchor_date is None else clock.shows(spec.anchor_date).replace(microsecond=0)
    rules = [_rule_of(line, clock) for line in lines if line.name == "RRULE"]
    if not rules:
        raise InvalidSchedule("rrule has no rule; it needs one such as FREQ=DAILY;BYHOUR=9.")
    return RuleText(
        zone=zone,
        start=next(iter(values("DTSTART")), anchor),
        rules=rules,
        extra=sorted(values("RDATE")),
        left_out=set(values("EXDATE")),
    )


def _line_of(text: str) -> Line:
    head, colon, value = text.rpartition(":")
    name, *options = head.split(";") if colon else ["RRULE"]
    name = name.upper()
    if name not in ("DTSTART", "RRULE", "RDATE", "EXDATE"):
        raise InvalidSchedule(f"rrule has a line {name}; there may be DTSTART, RRULE, RDATE and EXDATE.")
    for option in options:
        if option.partition("=")[0].upper() not in ("TZID", "VALUE") or option.upper() in (
            "VALUE=DATE",
            "VALUE=PERIOD",
        ):
            raise InvalidSchedule(f"rrule: {name} with {option} is not understood; give dates with times.")
    return Line(name, options, value)


def _named_zone(line: Line) -> str | None:
    named = [option.partition("=")[2] for option in line.options if option.upper().startswith("TZID=")]
    return named[0] if named else "UTC" if line.value.upper().endswith("Z") else None


def _zone_of(spec: ScheduleSpec, starts: list[Line]) -> str | None:
    """Return the zone in which the rule counts: what is given beside it, or what DTSTART says."""
    said = _named_zone(starts[0]) if starts else None
    if said is not None and spec.timezone is not None and said != spec.timezone:
        raise InvalidSchedule(
            f"rrule: DTSTART is in {said} but timezone is {spec.timezone}. Give one of them: DTSTART without a zone is "
            "a time of timezone."
        )
    return spec.timezone if said is None else said


def _time_of(line: Line, text: str, clock: WallClock) -> datetime:
    found = _TIME.fullmatch(text.upper())
    if found is None or found[2] is None:
        raise InvalidSchedule(f"rrule: {line.name} has {text!r}; write a time as 20260131T093000.")
    wall = _parse(line.name, found)
    zone = "UTC" if found[3] else _named_zone(line)
    return wall if zone is None or line.name == "DTSTART" else clock.shows(_clock_of(line, zone).tick_of(wall))


def _clock_of(line: Line, zone: str) -> WallClock:
    try:
        return WallClock(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidSchedule(f"rrule: {line.name} names the time zone {zone!r}, which there is not.") from None


def _parse(name: str, found: re.Match[str]) -> datetime:
    try:
        return datetime.strptime(found[1] + (found[2] or "000000"), "%Y%m%d%H%M%S")
    except ValueError:
        raise InvalidSchedule(f"rrule: {name} has {found[0]!r}, and no calendar has that time.") from None


def _rule_of(line: Line, clock: WallClock) -> Rule:
    parts: dict[str, str] = {}
    for pair in line.value.upper().strip(";").split(";"):
        name, equals, value = pair.partition("=")
        if not equals or name in parts:
            raise InvalidSchedule(f"rrule: {pair!r} is {'there twice' if equals else 'no NAME=VALUE'}.")
        parts[name] = value
    freq = parts.pop("FREQ", None)
    if freq not in FREQUENCIES:
        raise InvalidSchedule(f"rrule: FREQ is {freq}; it may be {', '.join(FREQUENCIES)}.")
    until, count = parts.pop("UNTIL", None), parts.pop("COUNT", None)
    wkst = parts.pop("WKST", "MO")
    if wkst not in WEEKDAYS:
        raise InvalidSchedule(f"rrule: WKST is {wkst}; it may be {', '.join(WEEKDAYS)}.")
    rule = Rule(
        freq=FREQUENCIES.index(freq),
        interval=_number("INTERVAL", parts.pop("INTERVAL", "1"), 1, _LONGEST_INTERVAL),
        count=None if count is None else _number("COUNT", count, 1, MOST_COUNTED),
        until=None if until is None else _until(until, clock),
        wkst=WEEKDAYS.index(wkst),
        days=[_day(text) for text in parts.pop("BYDAY").split(",")] if "BYDAY" in parts else [],
        lists={name: _numbers(name, value) for name, value in parts.items()},
    )
    _check_together(rule)
    return rule


def _check_together(rule: Rule) -> None:
    """Refuse what python-dateutil would take and not do, or never end doing."""
    if rule.count is not None and rule.until is not None:
        raise InvalidSchedule("rrule: COUNT and UNTIL are both there; give one of them.")
    if rule.freq > FREQUENCIES.index("MONTHLY") and any(which for _, which in rule.days):
        raise InvalidSchedule("rrule: a numbered BYDAY such as 2MO needs FREQ=MONTHLY or YEARLY.")
    if "BYSETPOS" in rule.lists and rule.freq > _DAILY:
        raise InvalidSchedule("rrule: BYSETPOS needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY.")
    if "BYSETPOS" in rule.lists and len(rule.lists) == 1 and not rule.days:
        raise InvalidSchedule("rrule: BYSETPOS picks from what another part gives, such as BYDAY.")


def _until(text: str, clock: WallClock) -> datetime:
    """Return the last wall time there may be; of a date without a time it is the end of that day."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidSchedule(f"rrule: UNTIL is {text!r}; write 20260131 or 20260131T093000.")
    wall = _parse("UNTIL", found)
    if found[2] is None:
        return datetime.combine(wall, time(23, 59, 59))
    return clock.shows(as_utc(wall)) if found[3] else wall


def _number(name: str, text: str, least: int, most: int) -> int:
    number = int(text) if re.fullmatch(r"[+-]?\d{1,9}", text) else None
    if number is None or not least <= number <= most or (number == 0 and least < 0):
        raise InvalidSchedule(f"rrule: {name} has {text!r}; it may be {least} to {most}{', not 0' * (least < 0)}.")
    return number


def _numbers(name: str, text: str) -> list[int]:
    if name not in _LISTS:
        known = ", ".join(["FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_LISTS])
        raise InvalidSchedule(f"rrule: there is no part {name}; there are {known}.")
    return [_number(name, one, *_LISTS[name]) for one in text.split(",")]


def _day(text: str) -> tuple[int, int]:
    found = _DAY.fullmatch(text)
    if found is None or (found[1] and not 1 <= abs(int(found[1])) <= 53):
        raise InvalidSchedule(f"rrule: BYDAY has {text!r}; it may be {', '.join(WEEKDAYS)}, or numbered: 2MO, -1FR.")
    return WEEKDAYS.index(found[2]), int(found[1] or 0)
