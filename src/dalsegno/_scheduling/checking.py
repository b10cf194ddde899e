"""What is wrong with a schedule, and where."""

from __future__ import annotations

import msgspec

from dalsegno._scheduling import cron, interval, rrule
from dalsegno._scheduling.ticks import EARLIEST, LATEST
from dalsegno._scheduling.wall_clock import FIRST_YEAR, LAST_YEAR, WallClock
from dalsegno.exceptions import InvalidSchedule
from dalsegno.model.schedules import ScheduleSpec


def check(spec: ScheduleSpec) -> None:
    """Raise InvalidSchedule, which says exactly what is wrong, unless the schedule can be used.

    Example:
        >>> check(ScheduleSpec(cron="0 25 * * *"))
        Traceback (most recent call last):
        dalsegno.exceptions.InvalidSchedule: cron '0 25 * * *': '25' is no hour. It may be *, or 0-23; ...
    """
    _check_types(spec)
    kinds = [name for name in ("cron", "interval", "rrule") if getattr(spec, name) is not None]
    if len(kinds) != 1:
        raise InvalidSchedule(f"A schedule has one of cron, interval and rrule, not {' and '.join(kinds) or 'none'}.")
    _check_zone(spec.timezone)
    _check_anchor(spec)
    for name in ("jitter", "max_lateness"):
        seconds = getattr(spec, name)
        if seconds is not None and not 0 <= seconds <= interval.LONGEST:
            raise InvalidSchedule(f"{name} is {seconds:g} seconds; it may be 0 to 100 years.")
    if spec.slug is not None and not spec.slug.strip():
        raise InvalidSchedule("slug is empty; leave it out or give the schedule a name.")
    {"cron": cron, "interval": interval, "rrule": rrule}[kinds[0]].check(spec)


def _check_types(spec: ScheduleSpec) -> None:
    """Refuse what could not be sent: a schedule that is made in code has been through no decoder."""
    try:
        msgspec.convert(msgspec.to_builtins(spec), ScheduleSpec)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise InvalidSchedule(f"A schedule cannot have this: {error}") from None


def _check_zone(name: str | None) -> None:
    try:
        WallClock(name)
    except (KeyError, ValueError, OSError):
        raise InvalidSchedule(
            f"timezone {name!r} is not known; give a name of the IANA database such as 'Europe/Berlin'."
        ) from None


def _check_anchor(spec: ScheduleSpec) -> None:
    if spec.anchor_date is None:
        return
    if spec.cron is not None:
        raise InvalidSchedule("anchor_date goes with interval or rrule; cron counts from nothing.")
    if spec.rrule is not None and "DTSTART" in spec.rrule.upper():
        raise InvalidSchedule("anchor_date and DTSTART say the same; give one of them.")
    if not EARLIEST <= spec.anchor_date < LATEST:
        raise InvalidSchedule(f"anchor_date may be in the years {FIRST_YEAR} to {LAST_YEAR - 1}.")
