"""Runs of many schedules with the same tick do not all start at once."""

from __future__ import annotations

import hashlib

from dalsegno.model.schedules import ScheduleSpec


def jittered(spec: ScheduleSpec, schedule_id: bytes, tick: int) -> int:
    """Return when the run of a tick is due: the tick, and up to `jitter` seconds more.

    How much depends on the schedule's id and the tick alone, so that servers that race for a tick agree.
    """
    most = round(spec.jitter * 1e6)
    if most <= 0:
        return tick
    digest = hashlib.blake2b(b"%b|%d" % (schedule_id, tick), digest_size=8).digest()
    return tick + int.from_bytes(digest) % (most + 1)
