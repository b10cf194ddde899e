"""The ticks of a schedule, of whichever kind it is."""

from __future__ import annotations

from dalsegno.model.schedules import ScheduleSpec


def next_tick(spec: ScheduleSpec, after: int) -> int | None:
    """Return the first tick strictly after a moment (microseconds, UTC); None: there is none any more."""
    raise NotImplementedError


def ticks_between(spec: ScheduleSpec, start: int, end: int, limit: int) -> list[int]:
    """Return the ticks from `start` on and before `end`, in order, at most `limit` of them."""
    raise NotImplementedError


def latest_tick(spec: ScheduleSpec, start: int, end: int) -> int | None:
    """Return the last tick from `start` on and before `end`; None: there is none."""
    raise NotImplementedError
