"""Looks for runs that a filter describes: pages of them, and how many there are, in bounded time whatever is asked.

Nothing here looks at more than a window of rows in one call. Where that ends before the page is full or all is
counted, the answer says so, and where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from dalsegno._store import filters, ways
from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.filters import Conditions
from dalsegno._store.rows import (
    FLOW_RUN_COLUMNS,
    FLOW_RUN_TABLES,
    TASK_RUN_COLUMNS,
    TASK_RUN_TABLES,
    flow_run_view,
    task_run_view,
)
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView

V = TypeVar("V")

MOST = 10_000
"""Rows that one call looks at, and up to which it counts."""
_ALL = 2**62


class Kind(NamedTuple, Generic[V]):
    """A kind of run: where it stands and how it is read."""

    table: str
    tables: str
    columns: Mapping[Dialect, str]
    ways: Callable[[Connection, RunFilter], list[ways.Way]]
    conditions: Callable[[Dialect, RunFilter], Conditions]
    view: Callable[[tuple[Any, ...]], V]


class Found(msgspec.Struct, Generic[V]):
    """A page of what was looked for."""

    items: list[V]
    next: bytes | None
    """The id after which to go on; None: there is nothing more."""
    complete: bool = True
    """False: the page is not full because looking stopped; there may be more after `next`."""


class Counted(msgspec.Struct):
    """How many runs there are, by name of state."""

    counts: dict[str, int]
    complete: bool
    """False: counting stopped; there are at least so many."""


FLOW_RUNS = Kind[FlowRunView](
    "flow_run",
    FLOW_RUN_TABLES,
    {"sqlite": FLOW_RUN_COLUMNS, "postgresql": FLOW_RUN_COLUMNS},
    ways.flow_run_ways,
    filters.flow_run_conditions,
    partial(flow_run_view, whole=False),
)
TASK_RUNS = Kind[TaskRunView](
    "task_run",
    TASK_RUN_TABLES,
    TASK_RUN_COLUMNS,
    ways.task_run_ways,
    filters.task_run_conditions,
    partial(task_run_view, whole=False),
)


def search(connection: Connection, kind: Kind[V], filter: RunFilter, page: Page) -> Found[V]:
    """Return a page of runs that fit, newest first unless the page says otherwise."""
    conditions = kind.conditions(connection.dialect, filter)
    windows = _windows(connection, kind, filter, page)
    order = "ASC" if page.oldest_first else "DESC"
    rows: list[tuple[Any, ...]] = []
    select = f"SELECT {kind.columns[connection.dialect]} FROM {kind.tables}"
    for window in windows:
        rows += connection.execute(
            f"{select}{conditions.where(window.text)} ORDER BY run.id {order} LIMIT ?",
            [*window.values, *conditions.values, page.limit + 1],
        ).fetchall()
    rows.sort(key=lambda row: row[0], reverse=not page.oldest_first)
    # Beyond the nearest of the ends of the windows other alternatives may hold what stands before.
    ends = [window.last for window in windows if window.last is not None]
    end = None if not ends else min(ends) if page.oldest_first else max(ends)
    if end is not None:
        rows = [row for row in rows if (row[0] <= end if page.oldest_first else row[0] >= end)]
    full = len(rows) > page.limit
    items = [kind.view(row) for row in rows[: page.limit]]
    return Found(items, rows[page.limit - 1][0] if full else end, complete=full or end is None)


def search_all(connection: Connection, kind: Kind[V], filter: RunFilter, page: Page) -> list[V]:
    """Return a page of runs that fit, however long it takes to find them."""
    found = search(connection, kind, filter, page)
    items = found.items
    while not found.complete and len(items) < page.limit:
        rest = Page(limit=page.limit - len(items), after=found.next, oldest_first=page.oldest_first)
        found = search(connection, kind, filter, rest)
        items += found.items
    return items


def count(connection: Connection, kind: Kind[Any], filter: RunFilter) -> Counted:
    """Return how many runs fit, by name of state, of the newest that can be looked at in one call."""
    conditions = kind.conditions(connection.dialect, filter)
    counted: dict[str, int] = {}
    windows = _windows(connection, kind, filter, Page(limit=MOST))
    for window in windows:
        _add(counted, connection, kind, conditions, window.text, window.values)
    return Counted(counted, all(window.last is None for window in windows))


def count_all(connection: Connection, kind: Kind[Any], filter: RunFilter) -> dict[str, int]:
    """Return how many runs fit, by name of state, however long it takes to count them."""
    conditions = kind.conditions(connection.dialect, filter)
    counted: dict[str, int] = {}
    bounds = filters.id_bounds(filter, Page())
    for text, values in ways.shortest(connection, kind.table, kind.ways(connection, filter), bounds):
        _add(counted, connection, kind, conditions, text + ways.WITHIN, [*values, *bounds])
    return counted


def _windows(connection: Connection, kind: Kind[Any], filter: RunFilter, page: Page) -> list[ways.Window]:
    bounds = filters.id_bounds(filter, page)
    way = ways.shortest(connection, kind.table, kind.ways(connection, filter), bounds)
    return ways.windows(connection, kind.table, way, bounds, oldest_first=page.oldest_first, rows=max(MOST, page.limit))


def _add(
    counted: dict[str, int],
    connection: Connection,
    kind: Kind[Any],
    conditions: Conditions,
    text: str,
    values: list[Any],
) -> None:
    # In the order of ids and with a limit, so that the index of the alternative is walked and not one by state.
    for code, name, number in connection.execute(
        "SELECT state_type, state_name, count(*) FROM ("
        f"SELECT run.state_type, run.state_name FROM {kind.tables}{conditions.where(text)} ORDER BY run.id DESC LIMIT ?"
        ") AS found GROUP BY state_type, state_name",
        [*values, *conditions.values, _ALL],
    ):
        name = name or DEFAULT_NAMES[STATE_TYPES[code]]
        counted[name] = counted.get(name, 0) + number
