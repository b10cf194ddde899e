"""Schedules as they are stored and sent: when a deployment is to run, as plain values."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

CatchUp: TypeAlias = Literal["latest", "all", "none"]
"""What becomes of ticks that were missed, say because no server ran: the latest runs, all run, or none does."""


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When something is to run. Exactly one of `cron`, `interval` and `rrule` is set.

    It is what was asked for, unchecked; `_scheduling.check` says what is wrong with it.
    """

    cron: str | None = None
    """Five fields, or six of which the first is the second; or a word such as `@daily`."""
    interval: float | None = None
    """Seconds from tick to tick. Whole days are days of the calendar in `timezone`."""
    rrule: str | None = None
    """A recurrence rule of RFC 5545, with or without lines of DTSTART, RDATE and EXDATE."""
    anchor_date: int | None = None
    """A moment (microseconds, UTC) from which intervals are counted, both ways, and at which a rule without DTSTART
    starts. None: Monday, 1 January 2024, 00:00 in `timezone`."""
    timezone: str | None = None
    """A name of the IANA database, such as `Europe/Berlin`. None: UTC."""
    day_or: bool = True
    """Cron with both a day of the month and a day of the week: True: either is enough; False: both must match."""
    jitter: float = 0.0
    """A run starts up to so many seconds after its tick."""
    catchup: CatchUp = "latest"
    max_lateness: float | None = None
    """Seconds after which a tick that was missed is not caught up any more; None: there is no such bound."""
    active: bool = True
    """False: it is paused. The functions on time do not look at this."""
    parameters: dict[str, Any] = {}
    """Of the flow, for the runs of this schedule; they go before those of the deployment."""
    slug: str | None = None
    """Its name among the schedules of a deployment."""
