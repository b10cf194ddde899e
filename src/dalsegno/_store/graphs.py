"""What the page draws of many runs at once: a flow run's task runs with what they needed, and runs over time."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store import searching
from dalsegno._store.connection import Connection, Dialect
from dalsegno.model.ids import id_time
from dalsegno.model.records import default_task_run_name, unpack_upstream
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES, StateType
from dalsegno.model.views import Page, RunFilter


class GraphNode(msgspec.Struct, gc=False):
    """A task run, as far as a timeline shows it."""

    id: bytes
    name: str
    task_name: str
    state_type: StateType
    state_name: str
    start: int | None
    duration: int | None
    """Microseconds; None: it has not ended, or never started."""
    parent_task_run_id: bytes | None
    child_flow_run_id: bytes | None
    upstream: list[bytes]
    attempt: int
    run_count: int
    superseded: bool


class History(msgspec.Struct):
    """How many runs there are in each of some equal spans of time, by type of state."""

    counts: list[dict[StateType, int]]
    covered_from: int | None
    """Counting stopped at the runs of this time (microseconds): before it there may be more. None: all is counted."""


def _node(row: tuple[Any, ...]) -> GraphNode:
    type_ = STATE_TYPES[row[3]]
    return GraphNode(
        id=row[0],
        name=row[1] or default_task_run_name(row[2], row[0]),
        task_name=row[2],
        state_type=type_,
        state_name=row[4] or DEFAULT_NAMES[type_],
        start=row[5],
        duration=row[6],
        parent_task_run_id=row[7],
        child_flow_run_id=row[8],
        upstream=[id for _, id in unpack_upstream(row[9])],
        attempt=row[10],
        run_count=row[11],
        superseded=row[12] is not None,
    )


def _id_and_type(row: tuple[Any, ...]) -> tuple[bytes, int]:
    return row[0], row[1]


def _both(columns: str) -> dict[Dialect, str]:
    return {"sqlite": columns, "postgresql": columns}


_NODES = searching.TASK_RUNS._replace(
    columns=_both(
        "run.id, run.name, task.name, run.state_type, run.state_name, run.start_time, run.duration,"
        " run.parent_task_run_id, run.child_flow_run_id, run.upstream, run.attempt, run.run_count, run.superseded"
    ),
    view=_node,
)
_POINTS = searching.FLOW_RUNS._replace(columns=_both("run.id, run.state_type"), view=_id_and_type)


def read_graph(
    connection: Connection, flow_run_id: bytes, after: bytes | None, limit: int
) -> searching.Found[GraphNode]:
    """Return a page of the task runs of a flow run, oldest first."""
    filter = RunFilter(flow_run_ids=[flow_run_id])
    found: Any = searching.search(connection, _NODES, filter, Page(limit=limit, after=after, oldest_first=True))
    return found


def count_over_time(connection: Connection, filter: RunFilter, start: int, end: int, spans: int) -> History:
    """Return how many of the flow runs that fit were made in each of some spans from `start` to `end`."""
    within = msgspec.structs.replace(filter, after=start, before=end)
    found: Any = searching.search(connection, _POINTS, within, Page(limit=searching.MOST))
    counts: list[dict[StateType, int]] = [{} for _ in range(spans)]
    for id, code in found.items:
        span = min(spans - 1, max(0, (id_time(id) - start) * spans // (end - start)))
        type_ = STATE_TYPES[code]
        counts[span][type_] = counts[span].get(type_, 0) + 1
    return History(counts, None if found.next is None else id_time(found.next))
