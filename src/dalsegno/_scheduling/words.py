"""A schedule in plain words."""

from __future__ import annotations

from dalsegno._scheduling import cron, rrule_words
from dalsegno._scheduling.wall_clock import DAY, DEFAULT_ANCHOR, WallClock, anchor_of
from dalsegno.model.schedules import ScheduleSpec

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def in_words(spec: ScheduleSpec) -> str:
    """Say when a schedule that `check` accepts ticks.

    Example:
        >>> in_words(ScheduleSpec(cron="30 2 * * MON-FRI", timezone="Europe/Berlin"))
        'At 02:30 on Monday to Friday, Europe/Berlin'
    """
    if spec.rrule is not None:
        return rrule_words.in_words(spec)
    said = _cron_in_words(spec) if spec.cron is not None else _interval_in_words(spec)
    return f"{said}, {spec.timezone or 'UTC'}"


def _cron_in_words(spec: ScheduleSpec) -> str:
    fields = cron.fields_of(spec.cron or "").split()
    found = cron.read(spec, DEFAULT_ANCHOR)
    said = found.explain()
    if fields[-3] != "*" and fields[-1] != "*":
        # cronsim says "and" of days either of which is enough.
        weekday = cron.read(ScheduleSpec(cron=f"0 0 * * {fields[-1]}"), DEFAULT_ANCHOR).explain()
        weekday = weekday.removeprefix("At 00:00 ")
        said = said.replace(f" and {weekday}", f" {'if it is also' if found.day_and else 'or'} {weekday}")
    return said.replace(" through ", " to ").replace(" if it's on ", " if it is also on ")


def _interval_in_words(spec: ScheduleSpec) -> str:
    seconds = spec.interval or 0
    size, unit = next((unit for unit in _UNITS if seconds % unit[0] == 0), (1, "second"))
    said = f"Every {unit}" if seconds == size else f"Every {seconds / size:g} {unit}s"
    clock = WallClock(spec.timezone)
    if round(seconds * 1e6) % DAY == 0:
        first = clock.shows(anchor_of(spec, clock))
        said += f" at {first:%H:%M:%S}".removesuffix(":00")
    return said
