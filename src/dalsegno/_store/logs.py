"""Reads the logs of runs: the lines of a root run and all that is nested in it lie together, in order of
time."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Connection
from dalsegno._store.filters import Conditions
from dalsegno._store.rows import TASK_RUN_ROOT
from dalsegno.model.ids import id_time
from dalsegno.model.views import LogView

_ROOT_OF_FLOW_RUN = "SELECT coalesce(root_run_id, id) FROM flow_run WHERE id = ?"
_ROOT_OF_TASK_RUN = "SELECT {root} FROM task_run AS run LEFT JOIN flow_run AS owner ON owner.number = run.flow_run"
# A flow run with all flow runs below it.
_BELOW = """
    SELECT id FROM (
        WITH RECURSIVE below (id) AS (
            VALUES (?)
            UNION ALL
            SELECT child.id FROM flow_run AS child JOIN below ON child.parent_flow_run_id = below.id
        ) SELECT id FROM below) AS all_below
"""


def list_logs(
    connection: Connection,
    *,
    flow_run_id: bytes | None,
    task_run_id: bytes | None,
    after: tuple[int, int] | None,
    limit: int,
    newest_first: bool,
    min_level: int,
) -> list[LogView]:
    """Return log lines of a flow run (its nested flow runs' and tasks' included) or of a task run."""
    conditions = Conditions()
    root = add_run(connection, conditions, flow_run_id, task_run_id)
    if root is None:
        return []
    if after is not None:
        conditions.add(f"(timestamp, nonce) {'<' if newest_first else '>'} (?, ?)", *after)
    if min_level:
        conditions.add("level >= ?", min_level)
    order = "DESC" if newest_first else "ASC"
    rows = connection.execute(
        f"SELECT timestamp, nonce, level, logger, message, flow_run_id, task_run_id FROM "
        f"log{conditions.where()}"
        f" ORDER BY timestamp {order}, nonce {order} LIMIT ?",
        [*conditions.values, limit],
    )
    return [log_view(row, root) for row in rows]


def add_run(
    connection: Connection,
    conditions: Conditions,
    flow_run_id: bytes | None,
    task_run_id: bytes | None,
) -> bytes | None:
    """Add the conditions on the run; return its root, or None if no run was named."""
    if task_run_id is not None:
        find = _ROOT_OF_TASK_RUN.format(root=TASK_RUN_ROOT[connection.dialect])
        root = _one(connection, f"{find} WHERE run.id = ?", task_run_id) or task_run_id
        conditions.add("root_run_id = ?", root)
        # Nothing was logged by it before it was there.
        conditions.add("task_run_id = ? AND timestamp >= ?", task_run_id, id_time(task_run_id) - 1_000_000)
        return root
    if flow_run_id is None:
        return None
    root = _one(connection, _ROOT_OF_FLOW_RUN, flow_run_id) or flow_run_id
    conditions.add("root_run_id = ?", root)
    if root != flow_run_id:
        conditions.add(f"flow_run_id IN ({_BELOW})", flow_run_id)
    return root


def _one(connection: Connection, statement: str, id: bytes) -> bytes | None:
    row = connection.execute(statement, (id,)).fetchone()
    return None if row is None else row[0]


def log_view(row: tuple[Any, ...], root: bytes) -> LogView:
    """Return a row as readers see it."""
    timestamp, nonce, level, logger, message, flow_run_id, task_run_id = row
    return LogView(
        timestamp=timestamp,
        nonce=nonce,
        level=level,
        logger=logger,
        message=message,
        flow_run_id=flow_run_id or (root if task_run_id != root else None),
        task_run_id=task_run_id,
    )
