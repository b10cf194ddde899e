"""When is the next tick? Pure functions of time over a `ScheduleSpec`: no clock is read, nothing is kept.

Times are microseconds since 1970 in UTC. `ticks.py` is where to begin; `cron.py`, `interval.py` and `rrule.py` know
one way each to say when, `wall_clock.py` what the clocks of a time zone show.

The names are loaded when they are first used (PEP 562): the store imports this, and most programs have no schedules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dalsegno.exceptions import InvalidSchedule

if TYPE_CHECKING:
    from dalsegno._scheduling.agenda import upcoming
    from dalsegno._scheduling.catching_up import missed
    from dalsegno._scheduling.checking import check
    from dalsegno._scheduling.jitter import jittered
    from dalsegno._scheduling.ticks import latest_tick, next_tick, ticks_between, zone_name
    from dalsegno._scheduling.words import in_words

_HOMES = {
    "check": "checking",
    "in_words": "words",
    "jittered": "jitter",
    "latest_tick": "ticks",
    "missed": "catching_up",
    "next_tick": "ticks",
    "ticks_between": "ticks",
    "upcoming": "agenda",
    "zone_name": "ticks",
}

__all__ = [
    "InvalidSchedule",
    "check",
    "in_words",
    "jittered",
    "latest_tick",
    "missed",
    "next_tick",
    "ticks_between",
    "upcoming",
    "zone_name",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
