"""Reads runs for people: one, lists in pages, counts. Nothing here costs more because history is long."""

from __future__ import annotations

import time

from dalsegno._store import pauses, processes, searching
from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.rows import (
    FLOW_RUN_COLUMNS,
    FLOW_RUN_TABLES,
    TASK_RUN_COLUMNS,
    TASK_RUN_TABLES,
    flow_run_view,
    task_run_view,
)
from dalsegno.model.pauses import PauseView
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES, TERMINAL_TYPES
from dalsegno.model.views import FlowRunView, FlowView, Page, RunFilter, TaskRunView

ALL = 2**62
"""A number of rows that there never are."""

_FLOW_RUN = f"SELECT {FLOW_RUN_COLUMNS}, run.process_id, run.number FROM {FLOW_RUN_TABLES} WHERE run.id = ?"
_TASK_RUN: dict[Dialect, str] = {
    dialect: f"SELECT {columns} FROM {TASK_RUN_TABLES} WHERE run.id = ?"
    for dialect, columns in TASK_RUN_COLUMNS.items()
}
_COUNTS_OF_FLOW_RUN = (
    "SELECT state_type, state_name, count(*) FROM task_run WHERE flow_run = ? GROUP BY state_type, state_name"
)
# The newest run of a flow is the newest of the newest runs of its versions.
_NEWEST_RUN: dict[Dialect, str] = {
    "sqlite": "SELECT max(id) FROM flow_run WHERE flow_id IN (SELECT id FROM flow WHERE name = named.name)",
    # Which knows no greatest of bytes.
    "postgresql": """
        SELECT newest.id FROM flow CROSS JOIN LATERAL (
            SELECT id FROM flow_run WHERE flow_id = flow.id ORDER BY id DESC LIMIT 1) AS newest
        WHERE flow.name = named.name ORDER BY newest.id DESC LIMIT 1
    """,
}
_FLOWS = """
    SELECT name,
        ({newest}),
        (SELECT count(*) FROM (
            SELECT 1 FROM flow_run WHERE flow_id IN (SELECT id FROM flow WHERE name = named.name) LIMIT ?) AS found)
    FROM (SELECT DISTINCT name FROM flow WHERE {which} ORDER BY name LIMIT ?) AS named
"""
_NEWEST_VERSION = """
    SELECT version, description FROM flow
    WHERE id = coalesce(
        (SELECT flow_id FROM flow_run WHERE id = ?), (SELECT max(id) FROM flow WHERE name = ?))
"""


def read_flow_run(connection: Connection, id: bytes, *, counted: bool = True) -> FlowRunView | None:
    """Return a flow run with all that is known of it; its task runs are counted only if that is asked for."""
    row = connection.execute(_FLOW_RUN, (id,)).fetchone()
    if row is None:
        return None
    process = processes.find(connection, row[24])
    view = flow_run_view(
        row,
        whole=True,
        process=None if process is None else process[0],
        task_run_counts=(_by_name(connection.execute(_COUNTS_OF_FLOW_RUN, (row[25],)).fetchall()) if counted else None),
    )
    view.pauses = _pauses_of(connection, view)
    return view


def _pauses_of(connection: Connection, run: FlowRunView) -> list[PauseView]:
    """Return what a run waits for: of a root also what is nested in it, which alone may be paused."""
    if run.state.type in TERMINAL_TYPES:
        return []
    found = pauses.open_pauses(connection, run.root_run_id, time.time_ns() // 1000)
    return [pause for pause in found if run.id in (run.root_run_id, pause.flow_run_id)]


def read_task_run(connection: Connection, id: bytes) -> TaskRunView | None:
    """Return a task run with all that is known of it."""
    row = connection.execute(_TASK_RUN[connection.dialect], (id,)).fetchone()
    return None if row is None else task_run_view(row, whole=True)


def list_flow_runs(connection: Connection, filter: RunFilter, page: Page) -> list[FlowRunView]:
    """Return a page of flow runs, newest first."""
    return searching.search_all(connection, searching.FLOW_RUNS, filter, page)


def list_task_runs(connection: Connection, filter: RunFilter, page: Page) -> list[TaskRunView]:
    """Return a page of task runs, newest first."""
    return searching.search_all(connection, searching.TASK_RUNS, filter, page)


def count_task_runs(connection: Connection, filter: RunFilter) -> dict[str, int]:
    """Return state name to number of task runs."""
    return searching.count_all(connection, searching.TASK_RUNS, filter)


def list_flows(connection: Connection, page_after: str | None, limit: int, counted: int = ALL) -> list[FlowView]:
    """Return a page of flows by name; up to so many runs of each are counted."""
    statement = _FLOWS.format(newest=_NEWEST_RUN[connection.dialect], which="name > ?")
    rows = connection.execute(statement, (counted, page_after or "", limit)).fetchall()
    return [_flow_view(connection, *row) for row in rows]


def read_flow(connection: Connection, name: str, counted: int = ALL) -> FlowView | None:
    """Return a flow."""
    statement = _FLOWS.format(newest=_NEWEST_RUN[connection.dialect], which="name = ?")
    row = connection.execute(statement, (counted, name, 1)).fetchone()
    return None if row is None else _flow_view(connection, *row)


def _flow_view(connection: Connection, name: str, newest: bytes | None, count: int) -> FlowView:
    version, description = connection.execute(_NEWEST_VERSION, (newest, name)).fetchone()
    found = connection.execute(_FLOW_RUN, (newest,)).fetchone()
    run = None if found is None else flow_run_view(found, whole=False)
    return FlowView(
        name=name,
        version=version,
        description=description,
        run_count=count,
        last_run=None if run is None else run.created,
        last_state=None if run is None else run.state.name,
    )


def _by_name(counts: list[tuple[int, str | None, int]]) -> dict[str, int]:
    named: dict[str, int] = {}
    for code, name, count in counts:
        name = name or DEFAULT_NAMES[STATE_TYPES[code]]
        named[name] = named.get(name, 0) + count
    return named
