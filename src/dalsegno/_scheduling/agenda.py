"""The ticks of several schedules in one line."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from dalsegno._scheduling.ticks import ticks_between
from dalsegno.model.schedules import ScheduleSpec


def upcoming(specs: Sequence[ScheduleSpec], start: int, end: int, limit: int) -> list[tuple[int, int]]:
    """Return the ticks from `start` on and before `end`, each with the place of its schedule in `specs`: in order, at
    most `limit` of them. Those of schedules that are paused are left out.
    """
    lines = [
        [(tick, place) for tick in ticks_between(spec, start, end, limit)]
        for place, spec in enumerate(specs)
        if spec.active
    ]
    return list(heapq.merge(*lines))[:limit]
