"""What is to run now of the ticks that were due, and which tick is next: after a second, or after a week's outage."""

from __future__ import annotations

from dalsegno._scheduling import ticks
from dalsegno.model.schedules import ScheduleSpec

ON_TIME = 30_000_000
"""A tick that is no older (microseconds) was not missed: it runs whatever `catchup` says, so that a scheduler that is
a little late loses none."""


def missed(spec: ScheduleSpec, next_tick: int, now: int, limit: int) -> tuple[list[int], int | None]:
    """Return the ticks that are to run now, in order, and the tick to keep as the next one.

    `next_tick` is the one that was kept; it counts as a tick even if the rules of its time zone have changed since.
    At most `limit` ticks (1 or more) are returned: while the next one is not after `now`, ask again. A next tick of
    None says that there will be none any more.

    What is older than ON_TIME was missed. Of that, "latest" takes the last tick, and only if nothing is on time; "all"
    takes everything; "none" nothing. What is older than `max_lateness` is never taken.
    """
    if next_tick > now:
        return [], next_tick
    oldest = _oldest(spec, next_tick, now)
    start = oldest if spec.catchup == "all" else max(oldest, now - ON_TIME)
    found = _from_kept(spec, next_tick, start, now, limit)
    if not found and spec.catchup == "latest":
        latest = ticks.latest_tick(spec, next_tick + 1, now + 1) or next_tick
        found = [latest] if latest >= oldest else []
    done = found[-1] if len(found) >= limit else now
    return found, ticks.next_tick(spec, done)


def _oldest(spec: ScheduleSpec, next_tick: int, now: int) -> int:
    """Return the moment from which on ticks may still be taken."""
    return next_tick if spec.max_lateness is None else max(next_tick, now - round(spec.max_lateness * 1e6))


def _from_kept(spec: ScheduleSpec, next_tick: int, start: int, now: int, limit: int) -> list[int]:
    """Return the tick that was kept and those after it, from `start` to `now`."""
    kept = [next_tick] if next_tick >= start else []
    return kept + ticks.ticks_between(spec, max(start, next_tick + 1), now + 1, limit - len(kept))
