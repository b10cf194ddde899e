"""Writes the rows of which a batch has thousands: task runs and log lines. As little as can be is done for each.

A task run refers to its task and its flow run by small numbers. On SQLite its root is left out where that is derivable;
on PostgreSQL it is always there, for the tables are cut into parts by it.
"""

from __future__ import annotations

from dalsegno._store.connection import Connection
from dalsegno._store.statements import RowStatement, in_chunks, marks
from dalsegno.model.records import Batch, LogRecord, TaskRunSnapshot
from dalsegno.model.states import STATE_CODES, StateType

_PENDING = STATE_CODES[StateType.PENDING]

# A place for a flow run whose own snapshot comes in a later transaction: anything is newer than it.
_RESERVE_FLOW_RUN = RowStatement(
    "INSERT INTO flow_run"
    " (id, root_run_id, flow_id, name, attempt, version, run_count, state_type, process_id, states)",
    row=marks(10),
    types="bbitiiiibb",
    tail="ON CONFLICT DO NOTHING",
)
_CHANGED = (
    " DO UPDATE SET task = excluded.task, attempt = excluded.attempt, version = excluded.version,"
    " run_count = excluded.run_count, name = excluded.name, fingerprint = excluded.fingerprint,"
    " state_type = excluded.state_type, state_name = excluded.state_name, start_time = excluded.start_time,"
    " duration = excluded.duration, result = excluded.result, upstream = excluded.upstream,"
    " child_flow_run_id = excluded.child_flow_run_id, process_id = excluded.process_id, extra = excluded.extra,"
    " superseded = NULL, states = CAST(task_run.states || excluded.states AS BLOB)"
    " WHERE (excluded.attempt, excluded.version) > (task_run.attempt, task_run.version)"
)
_COLUMNS = (
    "parent_task_run_id, task, attempt, version, run_count, name, fingerprint, state_type, state_name, start_time,"
    " duration, result, upstream, child_flow_run_id, process_id, extra, states"
)
_SQLITE_TASK_RUN = RowStatement(
    f"INSERT INTO task_run (id, flow_run, root, {_COLUMNS})",
    row=(
        "?,nullif(?,0),nullif(?,0),nullif(?,0),?,?,?,?,nullif(?,''),nullif(?,0),?,nullif(?,''),nullif(?,0),"
        "nullif(?,-1),nullif(?,0),nullif(?,0),nullif(?,0),nullif(?,0),nullif(?,0),?"
    ),
    types="",
    tail=f"ON CONFLICT (id) {_CHANGED}",
)
_POSTGRESQL_TASK_RUN = RowStatement(
    f"INSERT INTO task_run (root_run_id, id, flow_run, {_COLUMNS})",
    row=marks(20),
    types="bbibiiiitbitiibbbbbb",
    tail=f"ON CONFLICT (root_run_id, id) {_CHANGED}",
)
_INSERT_LOG = RowStatement(
    "INSERT INTO log (root_run_id, timestamp, nonce, flow_run_id, task_run_id, level, logger, message)",
    row="?,?,?,nullif(?,0),nullif(?,0),?,?,?",
    types="biibbitt",
    tail="ON CONFLICT DO NOTHING",
)


def write_task_runs(connection: Connection, batch: Batch, known_tasks: dict[int, int]) -> dict[int, int]:
    """Write the task runs of a batch; return the numbers of their tasks, which are good once this is committed."""
    runs = batch.task_runs
    tasks = _task_numbers(connection, {run.task_id for run in runs}, known_tasks)
    flow_runs = _flow_runs_of(connection, batch)
    if connection.dialect == "sqlite":
        _to_sqlite(connection, runs, tasks, flow_runs, batch.process_id)
    else:
        latest = {(run.root_run_id, run.id): run for run in runs}
        if len(latest) == len(runs):
            _to_postgresql(connection, runs, tasks, flow_runs, batch.process_id)
        else:
            # One statement may not write a row twice, and each snapshot brings states of its own.
            for run in runs:
                _to_postgresql(connection, [run], tasks, flow_runs, batch.process_id)
    return tasks


def write_logs(connection: Connection, lines: list[LogRecord]) -> None:
    """Write log lines that are not there yet."""
    if connection.dialect == "sqlite":
        _INSERT_LOG.run(
            connection,
            [
                (
                    bytearray(root := line.root_run_id),
                    line.timestamp,
                    line.nonce,
                    0 if (flow_run := line.flow_run_id) is None or flow_run == root else bytearray(flow_run),
                    0 if (task_run := line.task_run_id) is None else bytearray(task_run),
                    line.level,
                    line.logger,
                    line.message,
                )
                for line in lines
            ],
        )
        return
    _INSERT_LOG.run_columns(
        connection,
        [
            [line.root_run_id for line in lines],
            [line.timestamp for line in lines],
            [line.nonce for line in lines],
            [None if (flow_run := line.flow_run_id) == line.root_run_id else flow_run for line in lines],
            [line.task_run_id for line in lines],
            [line.level for line in lines],
            [line.logger for line in lines],
            [line.message for line in lines],
        ],
    )


def _to_sqlite(
    connection: Connection,
    runs: list[TaskRunSnapshot],
    tasks: dict[int, int],
    flow_runs: dict[bytes, int],
    process_id: bytes | None,
) -> None:
    process = bytearray(process_id or b"")
    rows = [
        (
            bytearray(run.id),
            0 if (owner := run.flow_run_id) is None else flow_runs[owner],
            0 if (root := run.root_run_id) == owner or root == run.id else flow_runs.get(root, root),
            run.parent_task_run_id or 0,
            tasks[run.task_id],
            run.attempt,
            run.version,
            run.run_count,
            run.name or "",
            0 if (fingerprint := run.fingerprint) is None else bytearray(fingerprint),
            run.state_type,
            run.state_name or "",
            (start := run.start_time) or 0,
            -1 if start is None or (end := run.end_time) is None else max(end - start, 0),
            0 if (result := run.result) is None else bytearray(result),
            0 if (upstream := run.upstream) is None else bytearray(upstream),
            run.child_flow_run_id or 0,
            0 if owner is not None or root != run.id else process or 0,
            run.extra or 0,
            bytearray(run.states),
        )
        for run in runs
    ]
    _SQLITE_TASK_RUN.run(connection, rows)


def _to_postgresql(
    connection: Connection,
    runs: list[TaskRunSnapshot],
    tasks: dict[int, int],
    flow_runs: dict[bytes, int],
    process_id: bytes | None,
) -> None:
    _POSTGRESQL_TASK_RUN.run_columns(
        connection,
        [
            [run.root_run_id for run in runs],
            [run.id for run in runs],
            [None if (owner := run.flow_run_id) is None else flow_runs[owner] for run in runs],
            [run.parent_task_run_id for run in runs],
            [tasks[run.task_id] for run in runs],
            [run.attempt for run in runs],
            [run.version for run in runs],
            [run.run_count for run in runs],
            [run.name for run in runs],
            [run.fingerprint for run in runs],
            [run.state_type for run in runs],
            [run.state_name for run in runs],
            [run.start_time for run in runs],
            [
                None if (start := run.start_time) is None or (end := run.end_time) is None else max(end - start, 0)
                for run in runs
            ],
            [run.result for run in runs],
            [run.upstream for run in runs],
            [run.child_flow_run_id for run in runs],
            [process_id if run.flow_run_id is None and run.root_run_id == run.id else None for run in runs],
            [run.extra for run in runs],
            [run.states for run in runs],
        ],
    )


# --- the numbers of what rows refer to


def _task_numbers(connection: Connection, wanted: set[int], known: dict[int, int]) -> dict[int, int]:
    missing = wanted - known.keys()
    if not missing:
        return known
    numbers: dict[int, int] = {}
    for texts, ids in in_chunks(list(missing)):
        numbers.update(connection.execute(f"SELECT id, number FROM task WHERE id IN ({texts})", ids))
    return known | numbers


def _flow_runs_of(connection: Connection, batch: Batch) -> dict[bytes, int]:
    """Return the numbers of the flow runs of a batch's task runs; makes room for those that are not there yet."""
    owners = {run.flow_run_id: run.root_run_id for run in batch.task_runs if run.flow_run_id is not None}
    numbers = _flow_run_numbers(connection, owners.keys() | set(owners.values()))
    missing = {id: root for id, root in owners.items() if id not in numbers}
    if missing:
        _reserve_flow_runs(connection, batch, missing)
        numbers |= _flow_run_numbers(connection, set(missing))
    return numbers


def _flow_run_numbers(connection: Connection, ids: set[bytes]) -> dict[bytes, int]:
    numbers: dict[bytes, int] = {}
    for texts, chunk in in_chunks(list(ids)):
        numbers.update(connection.execute(f"SELECT id, number FROM flow_run WHERE id IN ({texts})", chunk))
    return numbers


def _reserve_flow_runs(connection: Connection, batch: Batch, missing: dict[bytes, bytes]) -> None:
    """Make room for flow runs (id to root) that come in a later batch or transaction."""
    _RESERVE_FLOW_RUN.run(
        connection,
        [
            (
                id,
                None if root == id else root,
                0,
                "",
                batch.attempts.get(root, 1),
                -1,
                0,
                _PENDING,
                batch.process_id,
                b"",
            )
            for id, root in missing.items()
        ],
    )
