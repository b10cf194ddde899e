"""What is to run now of the ticks that were due, and which tick is next: after a second, or after a week's outage."""

from __future__ import annotations

from dalsegno.model.schedules import ScheduleSpec

ON_TIME = 30_000_000
"""A tick that is no older (microseconds) was not missed: it runs whatever `catchup` says, so that a scheduler that is
a little late loses none."""


def missed(spec: ScheduleSpec, next_tick: int, now: int, limit: int) -> tuple[list[int], int | None]:
    """Return the ticks that are to run now, in order, and the tick to keep as the next one.

    `next_tick` is the one that was kept. At most `limit` ticks are returned: while the next one is not after `now`,
    ask again. A next tick of None says that there will be none any more.
    """
    raise NotImplementedError
