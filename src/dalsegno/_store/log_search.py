"""Looks for lines in the log of a run, in bounded time: no more than a window of lines is looked at in one call."""

from __future__ import annotations

import msgspec

from dalsegno._store.connection import Connection
from dalsegno._store.filters import Conditions, like
from dalsegno._store.logs import add_run, log_view
from dalsegno.model.views import LogView

WINDOW = 10_000
"""Lines that one call looks at."""

Place = tuple[int, int]
"""The time of a line, and what tells it from others of the same microsecond."""

_FIRST: Place = (-(2**63), -(2**63))
_LAST: Place = (2**63 - 1, 2**63 - 1)
_WITHIN = "(timestamp, nonce) >= (?, ?) AND (timestamp, nonce) <= (?, ?)"


class LogFilter(msgspec.Struct, kw_only=True):
    """Which lines: of a flow run, with all that is nested in it, or of a task run."""

    flow_run_id: bytes | None = None
    task_run_id: bytes | None = None
    min_level: int = 0
    max_level: int | None = None
    after: int | None = None
    """Written at or after (microseconds)."""
    before: int | None = None
    text: str | None = None
    """Part of the message, whatever its case."""


class FoundLogs(msgspec.Struct):
    """A page of lines."""

    items: list[LogView]
    next: Place | None
    """The place after which to go on; None: there is nothing more at this moment."""
    complete: bool = True
    """False: the page is not full because looking stopped."""


def search_logs(
    connection: Connection, filter: LogFilter, *, after: Place | None, limit: int, newest_first: bool
) -> FoundLogs:
    """Return a page of lines."""
    run = Conditions()
    root = add_run(connection, run, filter.flow_run_id, filter.task_run_id)
    if root is None:
        return FoundLogs([], None)
    low, high = _bounds(filter, after, newest_first)
    order = "ORDER BY timestamp DESC, nonce DESC" if newest_first else "ORDER BY timestamp, nonce"
    end: Place | None = connection.execute(
        f"SELECT timestamp, nonce FROM log WHERE root_run_id = ? AND {_WITHIN} {order} LIMIT 1 OFFSET ?",
        [root, *low, *high, max(WINDOW, limit)],
    ).fetchone()
    if end is not None:
        low, high = (end, high) if newest_first else (low, end)
    conditions = _conditions(filter)
    rows = connection.execute(
        "SELECT timestamp, nonce, level, logger, message, flow_run_id, task_run_id FROM log"
        f"{run.where(conditions.where(_WITHIN).removeprefix(' WHERE '))} {order} LIMIT ?",
        [*low, *high, *conditions.values, *run.values, limit + 1],
    ).fetchall()
    full = len(rows) > limit
    items = [log_view(row, root) for row in rows[:limit]]
    return FoundLogs(items, rows[limit - 1][:2] if full else end, complete=full or end is None)


def _conditions(filter: LogFilter) -> Conditions:
    conditions = Conditions()
    if filter.min_level:
        conditions.add("level >= ?", filter.min_level)
    if filter.max_level is not None:
        conditions.add("level <= ?", filter.max_level)
    if filter.text is not None:
        conditions.add("lower(message) LIKE ? ESCAPE '!'", like(filter.text))
    return conditions


def _bounds(filter: LogFilter, after: Place | None, newest_first: bool) -> tuple[Place, Place]:
    low, high = _FIRST, _LAST
    if filter.after is not None:
        low = (filter.after, _FIRST[1])
    if filter.before is not None:
        high = (filter.before - 1, _LAST[1])
    if after is not None and newest_first:
        high = min(high, (after[0], after[1] - 1))
    elif after is not None:
        low = max(low, (after[0], after[1] + 1))
    return low, high
