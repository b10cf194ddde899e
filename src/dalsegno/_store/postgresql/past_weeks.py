"""Deletes whole weeks: parts in which every root run has ended and is past its age are dropped, not emptied by rows.

What lies in no part, or in one that something young or unfinished keeps, `dalsegno._store.retention` deletes by rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno._store.connection import Connection, Database
from dalsegno._store.postgresql import partitions
from dalsegno._store.postgresql.partitions import TABLES, Week
from dalsegno._store.stored_files import delete_files
from dalsegno.exceptions import BackendUnavailable

_SLICE = 2000
_IN_RANGE = "root_run_id >= :start AND root_run_id < :end"
# A root flow run that keeps its week.
_KEPT_FLOW_RUN = """
    SELECT 1 FROM flow_run WHERE id >= :start AND id < :end AND root_run_id IS NULL
        AND (state_type < 6 OR coalesce(end_time, 0) >= :cutoff) LIMIT 1
"""
_KEPT_TASK_RUN = "SELECT 1 FROM {part} WHERE flow_run IS NULL AND state_type < 6 LIMIT 1"
# A result's file lies in a folder that is named after the root.
_RESULTS_IN_FILES = """
    SELECT root_run_id, id, result FROM {part} WHERE (root_run_id, id) > (?, ?)
        AND position(convert_to(encode(root_run_id, 'hex'), 'UTF8') IN result) > 0
    ORDER BY root_run_id, id LIMIT ?
"""
_SMALL = (
    f"DELETE FROM result_blob WHERE id IN (SELECT id FROM result_blob WHERE {_IN_RANGE} LIMIT :limit)",
    f"DELETE FROM artifact WHERE id IN (SELECT id FROM artifact WHERE {_IN_RANGE} LIMIT :limit)",
    f"DELETE FROM pause WHERE id IN (SELECT id FROM pause WHERE {_IN_RANGE} LIMIT :limit)",
    f"DELETE FROM run_input WHERE id IN (SELECT id FROM run_input WHERE {_IN_RANGE} LIMIT :limit)",
)
_DELETED_FLOW_RUNS = "DELETE FROM flow_run WHERE id IN ({ids}) RETURNING coalesce(root_run_id, id), result, parameters"
# The roots last: by them the rest is found again.
_FLOW_RUNS = (
    _DELETED_FLOW_RUNS.format(ids=f"SELECT id FROM flow_run WHERE {_IN_RANGE} LIMIT :limit"),
    _DELETED_FLOW_RUNS.format(
        ids="SELECT id FROM flow_run WHERE id >= :start AND id < :end AND root_run_id IS NULL LIMIT :limit"
    ),
)


def drop_past(database: Database, now: int, runs_age: float | None, logs_age: float | None) -> int:
    """Drop the weeks that are past their age (in seconds; None: kept for ever); return how many parts and rows went."""
    gone = 0
    if logs_age:
        gone += _drop(database, ("log",), now - round(logs_age * 1_000_000))
    if runs_age:
        gone += _drop(database, TABLES, now - round(runs_age * 1_000_000))
    return gone


def _drop(database: Database, tables: tuple[str, ...], cutoff: int) -> int:
    table = tables[0]
    there = database.read(lambda connection: partitions.weeks(connection, table))
    gone = 0
    for week in there:
        if week >= Week.of(cutoff) or database.read(lambda connection, week=week: _is_kept(connection, week, cutoff)):
            continue
        with_runs = table == "task_run"
        if with_runs:
            _delete_results(database, week)
            gone += sum(_delete_slices(database, week, statement) for statement in _SMALL)
        try:
            dropped = database.write(
                lambda connection, week=week: _drop_unless_kept(connection, week, tables, cutoff), repeatable=True
            )
        except BackendUnavailable:
            # Somebody reads it for long: the next round tries again.
            break
        if dropped:
            gone += len(tables)
            if with_runs:
                gone += _delete_flow_runs(database, week)
    return gone


def _is_kept(connection: Connection, week: Week, cutoff: int) -> bool:
    range_ = {"start": week.start, "end": week.end, "cutoff": cutoff}
    if connection.execute(_KEPT_FLOW_RUN, range_).fetchone() is not None:
        return True
    part = week.part_of("task_run")
    if connection.execute("SELECT to_regclass(?)", (part,)).fetchone()[0] is None:
        return False
    return connection.execute(_KEPT_TASK_RUN.format(part=part)).fetchone() is not None


def _drop_unless_kept(connection: Connection, week: Week, tables: tuple[str, ...], cutoff: int) -> bool:
    if _is_kept(connection, week, cutoff):
        return False
    partitions.drop(connection, week, tables)
    return True


def _delete_results(database: Database, week: Week) -> None:
    """Delete the files of the results of a week's task runs."""
    statement = _RESULTS_IN_FILES.format(part=week.part_of("task_run"))
    after = (b"", b"")
    while rows := database.read(
        lambda connection, after=after: connection.execute(statement, (*after, _SLICE)).fetchall()
    ):
        for root, _, result in rows:
            delete_files(root, [result])
        after = rows[-1][:2]


def _delete_slices(database: Database, week: Week, statement: str) -> int:
    return sum(_slices(database, week, statement))


def _slices(database: Database, week: Week, statement: str) -> Iterator[int]:
    values = {"start": week.start, "end": week.end, "limit": _SLICE}
    while count := database.write(lambda connection: connection.execute(statement, values).rowcount, repeatable=True):
        yield count


def _delete_flow_runs(database: Database, week: Week) -> int:
    values = {"start": week.start, "end": week.end, "limit": _SLICE}
    gone = 0
    for statement in _FLOW_RUNS:
        while rows := database.write(
            lambda connection, statement=statement: connection.execute(statement, values).fetchall(), repeatable=True
        ):
            for root, *results in rows:
                delete_files(root, results)
            gone += len(rows)
    return gone
