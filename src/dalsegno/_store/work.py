"""Whether there is work for whoever would claim it, told without claiming any."""

from __future__ import annotations

from typing import Any, NamedTuple

from dalsegno._store.claiming import outside_pools
from dalsegno._store.connection import Connection
from dalsegno.model.queue import ClaimRuns

_SOON = 0.001
"""Seconds: at the very moment that something is due, it is not yet."""

_OF_POOL = """queue_id IN (
    SELECT work_queue.id FROM work_queue JOIN work_pool ON work_pool.id = work_queue.pool_id
    WHERE work_pool.name = ? AND work_pool.paused = 0 AND work_queue.paused = 0)"""
_NEXT_START = "SELECT min(next_start) FROM deployment WHERE start_rate IS NOT NULL AND next_start > ?"


class Waiting(NamedTuple):
    """What waits in the queue."""

    now: bool
    """Something is due."""
    next_in: float | None
    """Seconds until something becomes due, or may start, that is not or may not yet."""

    def pause(self, longest: float) -> float:
        """Return for how long nobody has to look again unless something changes."""
        return longest if self.next_in is None else min(longest, self.next_in)


def look(connection: Connection, asked: ClaimRuns, now: int) -> Waiting:
    """Look for runs for a claim. They need not all be free to start: limits are looked at by the claim itself."""
    which, values = _which(asked)
    due = connection.execute(f"SELECT 1 FROM ready WHERE {which} AND due <= ? LIMIT 1", (*values, now)).fetchone()
    next_due = connection.execute(f"SELECT min(due) FROM ready WHERE {which} AND due > ?", (*values, now)).fetchone()[0]
    moments = [next_due, connection.execute(_NEXT_START, (now,)).fetchone()[0] if due else None]
    later = [moment for moment in moments if moment is not None]
    return Waiting(due is not None, (min(later) - now) / 1e6 + _SOON if later else None)


def _which(asked: ClaimRuns) -> tuple[str, list[Any]]:
    if asked.pool is not None:
        if not asked.queues:
            return _OF_POOL, [asked.pool]
        names = ",".join("?" * len(asked.queues))
        return _OF_POOL[:-1] + f" AND work_queue.name IN ({names}))", [asked.pool, *asked.queues]
    return outside_pools(asked)
