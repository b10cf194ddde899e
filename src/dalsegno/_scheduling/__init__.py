"""When is the next tick? Pure functions of time over a `ScheduleSpec`: no clock is read, nothing is kept.

Times are microseconds since 1970 in UTC. `ticks.py` is where to begin; `cron.py`, `interval.py` and `rrule.py` know
one way each to say when, `wall_clock.py` what the clocks of a time zone show.
"""

from __future__ import annotations

from dalsegno._scheduling.catching_up import missed
from dalsegno._scheduling.checking import check
from dalsegno._scheduling.jitter import jittered
from dalsegno._scheduling.ticks import latest_tick, next_tick, ticks_between, zone_name
from dalsegno._scheduling.words import in_words
from dalsegno.exceptions import InvalidSchedule

__all__ = [
    "InvalidSchedule",
    "check",
    "in_words",
    "jittered",
    "latest_tick",
    "missed",
    "next_tick",
    "ticks_between",
    "zone_name",
]
