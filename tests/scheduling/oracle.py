"""What ticks there must be, found without our code: every minute is walked in UTC and looked up on the wall clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MICROS = 1_000_000
MONTHS = dict(zip("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), range(1, 13), strict=True))
WEEKDAYS = dict(zip("SUN MON TUE WED THU FRI SAT".split(), range(7), strict=True))
LIMITS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]

Matches = Callable[[datetime], bool]


def micros(*when: int) -> int:
    """The microseconds of a time of UTC."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * MICROS  # type: ignore[arg-type, misc]


def numbers(field: str, place: int) -> set[int]:
    """All numbers that a field of a cron text names."""
    low, high = LIMITS[place]
    named = {**MONTHS, **WEEKDAYS}
    found: set[int] = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        first, _, last = body.partition("-")
        if body == "*":
            begin, end = low, high
        else:
            begin = named[first] if first in named else int(first)
            end = (named[last] if last in named else int(last)) if last else (high if step else begin)
        found.update(range(begin, end + 1, int(step or 1)))
    return {number % 7 for number in found} if place == 4 else found


def cron_matcher(text: str, day_or: bool = True) -> tuple[Matches, bool]:
    """Whether a wall time is one that a text names, and whether the text is for all hours."""
    fields = text.split()
    minutes, hours, days, months, weekdays = (numbers(field, place) for place, field in enumerate(fields))
    either = day_or and not fields[2].startswith("*") and not fields[4].startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        of_month, of_week = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (of_month or of_week) if either else (of_month and of_week)

    return matches, len(hours) == 24


@lru_cache(maxsize=4)
def wall_clock(zone: str, start: int, end: int) -> list[datetime]:
    """What the clocks of a zone show at each minute from a moment to another."""
    info = ZoneInfo(zone)
    seconds = range(start // MICROS, end // MICROS, 60)
    return [datetime.fromtimestamp(second, info).replace(tzinfo=None, fold=0) for second in seconds]


def by_the_clock(matches: Matches, zone: str, start: int, end: int) -> list[int]:
    """A tick at each minute at which the clock shows what matches."""
    shown = wall_clock(zone, start, end)
    return [start + 60 * MICROS * place for place, wall in enumerate(shown) if matches(wall)]


def each_once(matches: Matches, zone: str, start: int, end: int) -> list[int]:
    """A tick when the clock gets to, or jumps past, what matches; none when it gets there again."""
    day_before = wall_clock(zone, start - 86_400 * MICROS, start)
    furthest = max(day_before)
    ticks: list[int] = []
    for place, wall in enumerate(wall_clock(zone, start, end)):
        if wall <= furthest:
            continue
        if matches(wall) or any(matches(passed) for passed in minutes_between(furthest, wall)):
            ticks.append(start + 60 * MICROS * place)
        furthest = wall
    return ticks


def minutes_between(furthest: datetime, wall: datetime) -> Iterator[datetime]:
    while (furthest := furthest + MINUTE) < wall:
        yield furthest


def cron_ticks(text: str, zone: str, start: int, end: int, day_or: bool = True) -> list[int]:
    """The ticks of a cron text from a whole minute to another."""
    matches, all_hours = cron_matcher(text, day_or)
    return (by_the_clock if all_hours else each_once)(matches, zone, start, end)


def is_last_week(wall: datetime) -> bool:
    return (wall + timedelta(days=7)).month != wall.month


def moment_of(wall: datetime, zone: str) -> int:
    """The microseconds of a wall time that its zone shows once."""
    return int(wall.replace(tzinfo=ZoneInfo(zone)).timestamp()) * MICROS
