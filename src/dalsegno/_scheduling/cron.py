"""Cron texts, read by cronsim: five fields, or six with the seconds in front."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from dalsegno._scheduling.wall_clock import DEFAULT_ANCHOR, WallClock, by_the_clock, each_once
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import ScheduleSpec

if TYPE_CHECKING:
    from cronsim import CronSim

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("second", "minute", "hour", "day of the month", "month", "day of the week")
_WILD = "* * * * * *".split()
_VALUES = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day of the month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day of the week": "0-7 or SUN-SAT (0 and 7 are Sunday), such as 5L (the last Friday) or MON#2 (the second Monday)",
}


def ticks(spec: ScheduleSpec, clock: WallClock, after: int) -> Iterator[int]:
    """Give the ticks after a moment.

    A text that names hours ticks once for each time that it names. One for all hours follows the clock, so that every
    15 minutes stay 15 minutes.
    """

    def occurrences(wall: datetime) -> Iterator[datetime]:
        return read(spec, wall)

    all_hours = len(read(spec, DEFAULT_ANCHOR).hours) == 24
    return (by_the_clock if all_hours and clock.zone is not None else each_once)(clock, occurrences, after)


def read(spec: ScheduleSpec, wall: datetime) -> CronSim:
    """Return the wall times of a cron text after one; it has been checked. They end when none comes in 50 years."""
    from cronsim import CronSim

    found = CronSim(fields_of(spec.cron or ""), wall)
    found.day_and = found.day_and or not spec.day_or
    return found


def fields_of(text: str) -> str:
    """Return the fields that a text stands for."""
    return NICKNAMES.get(text.strip().lower(), text)


def check(spec: ScheduleSpec) -> None:
    """Raise InvalidSchedule, which names the field that is wrong."""
    from cronsim import CronSimError

    text = spec.cron or ""
    if text.strip().startswith("@") and text.strip().lower() not in NICKNAMES:
        raise InvalidSchedule(f"cron {text!r} is not known; there are {', '.join(NICKNAMES)}.")
    fields = fields_of(text).split()
    if len(fields) not in (5, 6):
        raise InvalidSchedule(
            f"cron {text!r} has {len(fields)} fields and must have five (minute, hour, day of the month, month, day of "
            "the week), or six with the seconds in front."
        )
    _check_fields(text, fields)
    try:
        first = next(read(spec, DEFAULT_ANCHOR), None)
    except CronSimError:
        first = None
    if first is None:
        raise InvalidSchedule(f"cron {text!r} never ticks: no date has what it asks for.")


def _check_fields(text: str, fields: list[str]) -> None:
    from cronsim import CronSim, CronSimError

    for place, field in enumerate(fields, 6 - len(fields)):
        try:
            CronSim(" ".join([*_WILD[:place], field, *_WILD[place + 1 :]]), DEFAULT_ANCHOR)
        except (CronSimError, ValueError, AssertionError):
            name = _FIELDS[place]
            raise InvalidSchedule(
                f"cron {text!r}: {field!r} is no {name}. It may be *, or {_VALUES[name]}; a range from the lower value "
                "to the higher (1-5), a step (*/15), or several with commas between."
            ) from None
