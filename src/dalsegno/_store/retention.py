"""Deletes: one run with all that belongs to it, and slice by slice what is past its age."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from dalsegno._store import attempts, cache, pauses
from dalsegno._store.connection import Connection, Database, Dialect
from dalsegno._store.statements import in_chunks
from dalsegno._store.stored_files import delete_files
from dalsegno.exceptions import BackendError, ObjectNotFound, RunIsAlive
from dalsegno.model.ids import id_text, new_id

T = TypeVar("T")

_SLICE = 2000
"""Rows that one transaction deletes at most, so that nobody waits for the write lock above some 50 ms."""
_FIRST_SLICE = 500
_LOG_SLICES = 4
_LONG = 0.02
"""Seconds: a transaction that works longer than this was too large, for its rows are."""
_PAGES = 500
_RUNS = 20

_TASK_RUNS: dict[Dialect, str] = {
    "sqlite": """
    SELECT number, result FROM task_run WHERE number IN (
        SELECT number FROM task_run WHERE flow_run IN (
            SELECT number FROM flow_run WHERE id = :root
            UNION ALL SELECT number FROM flow_run WHERE root_run_id = :root)
        UNION ALL SELECT number FROM task_run WHERE id = :root
        UNION ALL SELECT number FROM task_run WHERE root = :root
        LIMIT :limit)
    """,
    "postgresql": "SELECT id, result FROM task_run WHERE root_run_id = :root LIMIT :limit",
}
_LOGS = """
    DELETE FROM log WHERE root_run_id = :root AND (timestamp, nonce) IN (
        SELECT timestamp, nonce FROM log WHERE root_run_id = :root LIMIT :limit)
"""
_BLOBS = "DELETE FROM result_blob WHERE id IN (SELECT id FROM result_blob WHERE root_run_id = :root LIMIT :limit)"
_ARTIFACTS = "DELETE FROM artifact WHERE id IN (SELECT id FROM artifact WHERE root_run_id = :root LIMIT :limit)"
_FLOW_RUNS = """
    SELECT number, result, parameters FROM flow_run WHERE root_run_id = :root
    UNION ALL SELECT number, result, parameters FROM flow_run WHERE id = :root
"""
# Ids are in order of time, so what is old lies at the beginning of an index.
_OLD_RUNS = """
    SELECT id FROM flow_run
    WHERE id < ? AND root_run_id IS NULL AND state_type >= 6 AND coalesce(end_time, 0) < ?
    ORDER BY id LIMIT ?
"""
_IS_ROOT: dict[Dialect, str] = {"sqlite": "root IS NULL", "postgresql": "root_run_id = id"}
_OLD_TASK_RUNS = """
    SELECT id FROM task_run WHERE id < ? AND flow_run IS NULL AND {is_root} AND state_type >= 6
    ORDER BY id LIMIT ?
"""
_OLD_LOGS = """
    DELETE FROM log WHERE (root_run_id, timestamp, nonce) IN (
        SELECT root_run_id, timestamp, nonce FROM log WHERE root_run_id < ? AND timestamp < ? LIMIT ?)
"""
_OLD_PROCESSES = "DELETE FROM process WHERE ended < ?"


class Slices:
    """How many rows the next transaction deletes. Rows are of any size, up to a megabyte: what took long makes the
    next slice smaller, and what did not, larger."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.perf_counter) -> None:
        self._database = database
        self._clock = clock
        self._rows = _FIRST_SLICE

    def delete(self, work: Callable[[Connection, int], T]) -> T:
        """Return what `work` does in a transaction of its own, given how many rows it may delete."""
        took = 0.0

        def timed(connection: Connection) -> T:
            nonlocal took
            began = self._clock()
            done = work(connection, self._rows)
            took = self._clock() - began
            return done

        done = self._database.write(timed)
        self._rows = max(1, self._rows // 2) if took > _LONG else min(_SLICE, self._rows * 2)
        return done


def delete_flow_run(database: Database, flow_run_id: bytes, now: int) -> bool:
    """Delete a root run that has ended with all that belongs to it, its stored files too. Raises RunIsAlive.

    False: there is no such run.
    """

    def check(connection: Connection) -> None:
        root = attempts.find_root(connection, flow_run_id)
        if root.id != flow_run_id:
            raise BackendError(
                f"Flow run {id_text(flow_run_id)} is nested in {root} and is deleted with it, not alone."
            )
        if root.is_suspended:
            raise RunIsAlive(f"{root} is suspended and waits to be resumed: cancel it before deleting it.")
        attempts.settle(connection, root, "deleting it", now)

    try:
        database.write(check)
    except ObjectNotFound:
        return False
    _delete_root(database, flow_run_id)
    return True


def clean_up(database: Database, now: int, runs_age: float | None, logs_age: float | None) -> int:
    """Delete a slice of what is past its age (in seconds; None: kept for ever); return how many
    rows, pages and parts went."""
    deleted = database.write(lambda connection: cache.delete_expired(connection, now, _SLICE))
    if database.dialect == "postgresql":
        deleted += _tend_partitions(database, now, runs_age, logs_age)
    if logs_age:
        deleted += _delete_old_logs(database, now - round(logs_age * 1_000_000))
    if runs_age:
        deleted += _delete_old_runs(database, now - round(runs_age * 1_000_000))
    if database.dialect == "sqlite":
        deleted += _shrink(database, everything=deleted > 0)
    return deleted


def _tend_partitions(database: Database, now: int, runs_age: float | None, logs_age: float | None) -> int:
    """Make the parts that PostgreSQL will need, and drop those that it needs no more."""
    from dalsegno._store.postgresql import partitions, past_weeks

    partitions.make_ahead(database, now)
    return past_weeks.drop_past(database, now, runs_age, logs_age)


def _delete_old_logs(database: Database, cutoff: int) -> int:
    slices, bound = Slices(database), _bound(database, cutoff)
    deleted = 0
    for _ in range(_LOG_SLICES):
        gone = slices.delete(lambda connection, rows: connection.execute(_OLD_LOGS, (bound, cutoff, rows)).rowcount)
        if not gone:
            break
        deleted += gone
    return deleted


def _delete_old_runs(database: Database, cutoff: int) -> int:
    bound = _bound(database, cutoff)
    task_runs = _OLD_TASK_RUNS.format(is_root=_IS_ROOT[database.dialect])
    roots = database.read(
        lambda connection: (
            connection.execute(_OLD_RUNS, (bound, cutoff, _RUNS)).fetchall()
            + connection.execute(task_runs, (bound, _RUNS)).fetchall()
        )
    )
    deleted = sum(_delete_root(database, root) for (root,) in roots)
    return deleted + _change(database, _OLD_PROCESSES, cutoff)


def _delete_root(database: Database, root: bytes) -> int:
    """Delete what belongs to a root, the root itself last; so an interruption leaves nothing that nobody
    finds again."""
    deleted = 0
    for statement in (_LOGS, _BLOBS, _ARTIFACTS):
        slices = Slices(database)
        while count := slices.delete(
            lambda connection, rows, s=statement: connection.execute(s, {"root": root, "limit": rows}).rowcount
        ):
            deleted += count
    slices = Slices(database)
    while results := slices.delete(lambda connection, rows: _delete_task_runs(connection, root, rows)):
        delete_files(root, (result for row in results for result in row[1:]))
        deleted += len(results)
    for table in ("run_request", "run_key"):
        _change(database, f"DELETE FROM {table} WHERE flow_run_id = ?", root)
    database.write(lambda connection: pauses.forget(connection, root))
    rows = database.write(lambda connection: _delete_flow_runs(connection, root))
    delete_files(root, (result for row in rows for result in row[1:]))
    return deleted + len(rows)


def _delete_task_runs(connection: Connection, root: bytes, limit: int) -> list[tuple[Any, ...]]:
    rows = connection.execute(_TASK_RUNS[connection.dialect], {"root": root, "limit": limit}).fetchall()
    for marks, chunk in in_chunks([row[0] for row in rows]):
        if connection.dialect == "sqlite":
            connection.execute(f"DELETE FROM task_run WHERE number IN ({marks})", chunk)
        else:
            connection.execute(f"DELETE FROM task_run WHERE root_run_id = ? AND id IN ({marks})", [root, *chunk])
    return rows


def _delete_flow_runs(connection: Connection, root: bytes) -> list[tuple[Any, ...]]:
    rows = connection.execute(_FLOW_RUNS, {"root": root}).fetchall()
    for marks, chunk in in_chunks([row[0] for row in rows]):
        connection.execute(f"DELETE FROM flow_run WHERE number IN ({marks})", chunk)
    return rows


def _shrink(database: Database, *, everything: bool) -> int:
    """Give some free pages back to the file system; return how many. Few that lie about are left for what
    comes."""
    given, left = database.write(lambda connection: _give_back(connection, everything=everything))
    if given and left < _PAGES:
        from dalsegno._store.sqlite.upkeep import end_file_where_it_ends

        end_file_where_it_ends(database.url.removeprefix("sqlite:///"))
    return given


def _give_back(connection: Connection, *, everything: bool) -> tuple[int, int]:
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free == 0 or (free < _PAGES and not everything):
        return 0, free
    given = min(free, _PAGES)
    for _ in range(given):
        # One by one: the sqlite3 module takes one step only of a statement that gives no rows.
        connection.execute("PRAGMA incremental_vacuum(1)")
    return given, free - given


def _change(database: Database, statement: str, *values: object) -> int:
    return database.write(lambda connection: connection.execute(statement, values).rowcount)


def _bound(database: Database, moment: int) -> bytes:
    """Return the lowest id that is too young to be looked at for a time before which all may go.

    On PostgreSQL it is the first of a week: what a whole week holds is dropped at once, when it is past.
    """
    if database.dialect == "postgresql":
        from dalsegno._store.postgresql.partitions import Week

        return Week.of(moment).start
    return new_id(moment * 1000)[:6] + bytes(10)
