"""Queues the runs of schedules that are due, and says of runs that wait too long that they are late."""

from __future__ import annotations

import logging

from dalsegno._store import changes, ticking, waiting_runs, workers
from dalsegno._store.connection import Database
from dalsegno.exceptions import BackendUnavailable

_log = logging.getLogger("dalsegno.services")

INTERVAL = 0.5
"""Seconds between two ticks."""
_SLICE = 100
"""Schedules, or late runs, at once."""


def tick(database: Database, late_after: float, now: int) -> bool:
    """Queue what is due. True: there may be more."""
    due = database.read(lambda connection: ticking.due(connection, now, _SLICE))
    made: list[bytes] = []
    for id in due:
        made += _tick_one(database, id, now)
    late = _call_late(database, late_after, now)
    if due or late:
        # A deployment shows the next ticks of its schedules.
        kinds = {"flow_run", "deployment"} if due else {"flow_run"}
        database.announce(changes.Changes(frozenset(kinds)))
    return len(due) >= _SLICE or len(late) >= _SLICE


def _tick_one(database: Database, id: bytes, now: int) -> list[bytes]:
    try:
        return database.write(lambda connection: ticking.tick(connection, id, now), repeatable=True)
    except BackendUnavailable:
        raise
    except Exception as error:
        # Whatever is wrong with one schedule, the others go on; this one says so, and waits to be changed.
        _log.exception("A schedule cannot be kept, and was stopped.")
        told = f"{type(error).__name__}: {error}"
        database.write(lambda connection: ticking.stop(connection, id, told), repeatable=True)
        return []


def _call_late(database: Database, late_after: float, now: int) -> list[bytes]:
    after = round(late_after * 1e6)
    if not database.read(lambda connection: waiting_runs.any_late(connection, now, after)):
        return []
    return database.write(lambda connection: waiting_runs.call_late(connection, now, after, _SLICE), repeatable=True)


def forget_workers(database: Database, now: int) -> int:
    """Forget workers that were not heard of for long; return how many."""
    return database.write(lambda connection: workers.forget_old(connection, now), repeatable=True)
