"""What a later run of a flow's body needs of the earlier ones: entries first, values on first use."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Connection
from dalsegno._store.rows import next_position
from dalsegno._store.statements import in_chunks
from dalsegno.model.states import STATE_TYPES
from dalsegno.model.views import ReplayEntry

_FIELDS = """
    run.id AS id, coalesce(run.parent_task_run_id, owner.id) AS scope, task.key, task.source_hash,
    run.fingerprint, run.state_type, run.state_name, run.run_count, run.name, run.result IS NOT NULL,
    run.child_flow_run_id, run.upstream, run.states, run.attempt, run.superseded, task.name AS task_name
"""
_TABLES = "JOIN task ON task.number = run.task LEFT JOIN flow_run AS owner ON owner.number = run.flow_run"
# On SQLite each branch walks one index in order and stops at the limit; the index by flow run is in order within each
# type of state. A root that is not known by number yet when nested task runs came in stands in them by its id.
_BRANCHES = [
    *(f"run.flow_run = :number AND run.state_type = {code} AND run.root IS NULL" for code in STATE_TYPES),
    "run.root = :number",
    "run.root = :id",
]
_SQLITE_ENTRIES = (
    " UNION ALL ".join(
        f"SELECT * FROM (SELECT {_FIELDS} FROM task_run AS run {_TABLES} WHERE {branch} AND run.id > :after"
        " ORDER BY run.id LIMIT :limit)"
        for branch in _BRANCHES
    )
    + " ORDER BY 1 LIMIT :limit"
)
_POSTGRESQL_ENTRIES = f"""
    SELECT {_FIELDS} FROM task_run AS run {_TABLES}
    WHERE run.root_run_id = :id AND run.id > :after AND run.id <> :id ORDER BY run.id LIMIT :limit
"""


def replay_entries(connection: Connection, root_run_id: bytes, after: bytes | None, limit: int) -> list[ReplayEntry]:
    """Return a page of the task runs of a root run, nested ones included, oldest id first."""
    if connection.dialect == "postgresql":
        parameters = {"id": root_run_id, "after": after or b"", "limit": limit}
        return [_entry(row) for row in connection.execute(_POSTGRESQL_ENTRIES, parameters)]
    found = connection.execute("SELECT number FROM flow_run WHERE id = ?", (root_run_id,)).fetchone()
    number = -1 if found is None else found[0]
    parameters = {"number": number, "id": root_run_id, "after": after or b"", "limit": limit}
    return [_entry(row) for row in connection.execute(_SQLITE_ENTRIES, parameters)]


def read_results(connection: Connection, ids: list[bytes]) -> dict[bytes, bytes]:
    """Return the packed results of task runs; those without one are left out."""
    results: dict[bytes, bytes] = {}
    for marks, chunk in in_chunks(ids):
        results.update(
            connection.execute(f"SELECT id, result FROM task_run WHERE id IN ({marks}) AND result IS NOT NULL", chunk)
        )
    return results


def read_blob(connection: Connection, id: bytes) -> bytes | None:
    """Return a row of the write-once result table."""
    row = connection.execute("SELECT data FROM result_blob WHERE id = ?", (id,)).fetchone()
    return None if row is None else row[0]


def _entry(row: tuple[Any, ...]) -> ReplayEntry:
    return ReplayEntry(
        id=row[0],
        scope_id=row[1] or row[0],
        task_key=row[2],
        task_name=row[15],
        source_hash=row[3],
        fingerprint=row[4],
        state_type=row[5],
        state_name=row[6],
        run_count=row[7],
        name=row[8],
        has_result=bool(row[9]),
        child_flow_run_id=row[10],
        upstream=row[11],
        state_count=next_position(row[12], row[13]),
        superseded=row[14] is not None,
    )
