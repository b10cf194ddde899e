"""How a list of runs is looked through: which index it walks, and how far it walks in one go.

A *way* is some alternatives that exclude each other and together hold everything that a filter can find; each has an
index in the order of ids. Of several ways the one with the fewest rows is taken. However rare what is looked for is,
no more than a window of rows is looked at in one go: `Window.bounds` says where each alternative stops.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dalsegno._store import filters
from dalsegno._store.connection import Connection
from dalsegno._store.filters import Alternative, Bounds
from dalsegno.model.states import STATE_TYPES
from dalsegno.model.views import RunFilter

Way = list[Alternative]

EVERYTHING: Way = [("TRUE", [])]
WITHIN = " AND run.id BETWEEN ? AND ?"
_DEFAULT_NAME = re.compile("(.+)-[0-9a-f]{3}")
_ENOUGH = 2_000
"""Rows from which on a way counts as long."""
_MOST_FLOW_RUNS = 100
"""Flow runs of flows that task runs are looked for in one by one."""


def flow_run_ways(connection: Connection, filter: RunFilter) -> list[Way]:
    """Return the ways through flow runs that a filter allows."""
    ways: list[Way] = []
    if filter.ids:
        ways.append(_each("run.id", filter.ids))
    if filter.name is not None:
        ways.append([("run.name = ?", [filter.name])])
    if filter.root_run_ids:
        ways.append([*_each("run.id", filter.root_run_ids), *_each("run.root_run_id", filter.root_run_ids)])
    if filter.flow_run_ids:
        ways.append(_each("run.parent_flow_run_id", filter.flow_run_ids))
    if filter.deployment_ids:
        ways.append(_each("run.deployment_id", filter.deployment_ids))
    if filter.flow_names:
        ways.append(_each("run.flow_id", filters.flow_ids(connection, filter.flow_names)))
    return ways + _by_state(filter) or [EVERYTHING]


def task_run_ways(connection: Connection, filter: RunFilter) -> list[Way]:
    """Return the ways through task runs that a filter allows."""
    ways: list[Way] = []
    if filter.ids:
        ways.append(_each("run.id", filter.ids))
    if filter.parent_task_run_ids:
        ways.append(_each("run.parent_task_run_id", filter.parent_task_run_ids))
    if filter.flow_run_ids:
        ways.append(_of_flow_runs(filter, filters.flow_run_numbers(connection, filter.flow_run_ids)))
    if filter.root_run_ids:
        ways.append(_of_roots(connection, filter))
    if filter.flow_names:
        numbers = filters.numbers_of_flows(connection, filter.flow_names, _MOST_FLOW_RUNS + 1)
        if len(numbers) <= _MOST_FLOW_RUNS:
            ways.append(_of_flow_runs(filter, numbers))
    if filter.task_names:
        ways.append(_each("run.task", filters.task_numbers(connection, filter.task_names)))
    if filter.name is not None:
        ways.append(_by_name(connection, filter.name))
    if filter.tags:
        ways.append(_by_tag(connection, filter.tags[0]))
    return ways + _by_state(filter) or [EVERYTHING]


def shortest(connection: Connection, table: str, ways: Sequence[Way], bounds: Bounds) -> Way:
    """Return the way with the fewest rows, within some ids; the first of those that are long."""
    if len(ways) == 1:
        return ways[0]
    best, fewest = ways[0], _ENOUGH
    for way in ways:
        count = 0
        for text, values in way:
            if count >= fewest:
                break
            found = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {table} AS run WHERE {text}{WITHIN} LIMIT ?) AS found",
                [*values, *bounds, fewest - count],
            )
            count += found.fetchone()[0]
        if count < fewest:
            best, fewest = way, count
        if fewest == 0:
            break
    return best


class Window(NamedTuple):
    """What of one alternative is looked at in one go."""

    text: str
    values: list[Any]
    last: bytes | None
    """The last id that is looked at; None: all that there is."""


def windows(
    connection: Connection, table: str, way: Way, bounds: Bounds, *, oldest_first: bool, rows: int
) -> list[Window]:
    """Return how far each alternative is looked through, of so many rows in all."""
    order = "ASC" if oldest_first else "DESC"

    def end_of(alternative: Alternative, rows: int) -> bytes | None:
        text, values = alternative
        row = connection.execute(
            f"SELECT run.id FROM {table} AS run WHERE {text}{WITHIN} ORDER BY run.id {order} LIMIT 1 OFFSET ?",
            [*values, *bounds, rows],
        ).fetchone()
        return None if row is None else row[0]

    ends = [end_of(alternative, rows // len(way)) for alternative in way]
    long = sum(end is not None for end in ends)
    if 0 < long < len(way):
        # What the short ones leave is for the long ones.
        ends = [end and end_of(alternative, rows // long) for alternative, end in zip(way, ends, strict=True)]
    return [_window(alternative, end, bounds, oldest_first) for alternative, end in zip(way, ends, strict=True)]


def _window(alternative: Alternative, end: bytes | None, bounds: Bounds, oldest_first: bool) -> Window:
    text, values = alternative
    low, high = bounds
    if end is not None:
        low, high = (low, end) if oldest_first else (end, high)
    return Window(text + WITHIN, [*values, low, high], end)


def _each(column: str, values: Sequence[Any]) -> Way:
    return [(f"{column} = ?", [value]) for value in dict.fromkeys(values)]


def _by_state(filter: RunFilter) -> list[Way]:
    ways: list[Way] = []
    if filter.state_types:
        ways.append(_each("run.state_type", filter.state_types))
    if filter.state_names:
        codes = filters.codes_of_default_names(filter.state_names)
        unnamed: Way = [("run.state_type = ? AND run.state_name IS NULL", [code]) for code in codes]
        ways.append([*_each("run.state_name", filter.state_names), *unnamed])
    return ways


def _of_flow_runs(filter: RunFilter, numbers: Sequence[int], more: str = "") -> Way:
    """Return the way through the task runs of flow runs: the index is in order within each type of state."""
    codes = dict.fromkeys(filter.state_types or STATE_TYPES)
    return [
        (f"run.flow_run = ? AND run.state_type = ?{more}", [number, code])
        for number in dict.fromkeys(numbers)
        for code in codes
    ]


def _of_roots(connection: Connection, filter: RunFilter) -> Way:
    ids = list(dict.fromkeys(filter.root_run_ids))
    if connection.dialect == "postgresql":
        return _each("run.root_run_id", ids)
    numbers = filters.flow_run_numbers(connection, ids)
    outside: Way = [("run.id = ? AND run.flow_run IS NULL", [id]) for id in ids]
    return [*_of_flow_runs(filter, numbers, " AND run.root IS NULL"), *_each("run.root", [*numbers, *ids]), *outside]


def _by_name(connection: Connection, name: str) -> Way:
    """Return the way through the task runs of a name, which is not stored where it is the default of a task."""
    way: Way = [("run.name = ?", [name])]
    default = _DEFAULT_NAME.fullmatch(name)
    if default is not None:
        numbers = filters.task_numbers(connection, [default[1]])
        way += [("run.task = ? AND run.name IS NULL", [number]) for number in numbers]
    return way


def _by_tag(connection: Connection, tag: str) -> Way:
    """Return the way through the task runs that can have a tag: from their task, or among what is rare."""
    numbers = filters.tasks_with_tag(connection, tag)
    others = f" AND run.task NOT IN ({','.join('?' * len(numbers))})" if numbers else ""
    return [*_each("run.task", numbers), (f"run.extra IS NOT NULL{others}", numbers)]
