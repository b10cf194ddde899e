"""How much there is of what operators watch: runs by state, the queue, leases, slots, bytes.

Asked for every few seconds, so nothing here looks at more than `MOST` rows of an index, however many runs there are.
"""

from __future__ import annotations

import msgspec

from dalsegno._store import filters
from dalsegno._store.connection import Connection
from dalsegno.model.states import FIRST_TERMINAL_CODE, STATE_TYPES
from dalsegno.model.views import Page, RunFilter

MOST = 10_000
"""Up to which it is counted."""
LATELY = 3600
"""Seconds: how far back runs that have ended are counted."""
_MOST_QUEUES = 100
_MOST_PRIORITIES = 100

_RUNS = "SELECT count(*) FROM (SELECT 1 FROM flow_run WHERE state_type = ? AND id >= ? LIMIT ?) AS found"
_READY = "SELECT count(*) FROM (SELECT 1 FROM ready LIMIT ?) AS found"
_QUEUES = "SELECT id FROM work_queue ORDER BY id LIMIT ?"
_FIRST_DUE = "SELECT priority, due FROM ready WHERE {which} ORDER BY priority DESC, due LIMIT 1"
_CLAIMED = "SELECT count(*) FROM (SELECT 1 FROM run_request WHERE holder IS NOT NULL LIMIT ?) AS found"
_PROCESSES = "SELECT count(*) FROM (SELECT 1 FROM process WHERE ended IS NULL LIMIT ?) AS found"
_HELD = "SELECT coalesce(sum(slots), 0) FROM (SELECT slots FROM slot_holder LIMIT ?) AS found"
_WAITERS = "SELECT count(*) FROM (SELECT 1 FROM slot_waiter LIMIT ?) AS found"


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What there is at one moment; numbers of things stop at `MOST`."""

    live_runs: dict[str, int]
    """Flow runs that have not ended, by type of state."""
    recent_runs: dict[str, int]
    """Flow runs that were made within `LATELY`, by type of state."""
    queued: int
    """Runs that wait to be claimed, those that are not due included."""
    oldest_ready: float
    """Seconds for which the run waits that has been due for longest; 0: none is due."""
    claimed: int
    processes: int
    """Processes that have not said that they ended."""
    slots_held: int
    slot_waiters: int
    database_bytes: int


def read(connection: Connection, now: int) -> Gauges:
    """Return what there is."""

    def number(text: str, *values: object) -> int:
        return int(connection.execute(text, [*values, MOST]).fetchone()[0])

    since, _ = filters.id_bounds(RunFilter(after=now - LATELY * 1_000_000), Page())
    return Gauges(
        live_runs={
            type_.value: number(_RUNS, code, b"") for code, type_ in STATE_TYPES.items() if code < FIRST_TERMINAL_CODE
        },
        recent_runs={type_.value: number(_RUNS, code, since) for code, type_ in STATE_TYPES.items()},
        queued=number(_READY),
        oldest_ready=_oldest_ready(connection, now),
        claimed=number(_CLAIMED),
        processes=number(_PROCESSES),
        slots_held=number(_HELD),
        slot_waiters=number(_WAITERS),
        database_bytes=_bytes(connection),
    )


def _oldest_ready(connection: Connection, now: int) -> float:
    """Return how long the one that has been due for longest has waited, of all queues and of none."""
    queues = [row[0] for row in connection.execute(_QUEUES, [_MOST_QUEUES]).fetchall()]
    firsts = [_first_due(connection, "queue_id IS NULL", [])]
    firsts += [_first_due(connection, "queue_id = ?", [id]) for id in queues]
    return (now - min([now, *(due for due in firsts if due is not None)])) / 1e6


def _first_due(connection: Connection, queue: str, values: list[bytes]) -> int | None:
    """Return when the first run of a queue was due; None: it is empty. Of each priority one is looked at, by index."""
    found: list[int] = []
    row = connection.execute(_FIRST_DUE.format(which=queue), values).fetchone()
    while row is not None and len(found) < _MOST_PRIORITIES:
        priority, due = row
        found.append(due)
        row = connection.execute(_FIRST_DUE.format(which=f"{queue} AND priority < ?"), [*values, priority]).fetchone()
    return min(found, default=None)


def _bytes(connection: Connection) -> int:
    if connection.dialect == "postgresql":
        return connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return pages * size
