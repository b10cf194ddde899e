"""Finds runs whose process is gone and says so in their records; cheap, for it looks at unfinished runs only.

What it writes does not raise a run's version: if the process was only thought to be gone, its next batch
corrects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dalsegno._processes import boot_time, restarted_since
from dalsegno._store import processes
from dalsegno._store.connection import Connection, Database, Dialect
from dalsegno._store.rows import ASIDE
from dalsegno._store.statements import locking
from dalsegno.model.ids import id_time
from dalsegno.model.records import ProcessRecord
from dalsegno.model.states import FIRST_TERMINAL_CODE, STATE_CODES, StateType, pack_states

CRASHED = STATE_CODES[StateType.CRASHED]

_NOT_ENDED = f"SELECT {processes.COLUMNS}, last_seen FROM process WHERE ended IS NULL"
_GONE = "UPDATE process SET ended = ? WHERE id = ? AND ended IS NULL"
_FLOW_RUNS_OF_PROCESS = "SELECT number, id, attempt FROM flow_run WHERE process_id = ? AND state_type < 6 ORDER BY id"
_TASK_RUNS_OF_PROCESS = "SELECT id FROM task_run WHERE process_id = ? AND state_type < 6"
_UNFINISHED = "FROM task_run WHERE state_type = ? AND id >= ? AND coalesce(state_name, '') <> 'NotReady'"
_UNFINISHED_TASK_RUNS: dict[Dialect, str] = {
    "sqlite": f"SELECT id, attempt, flow_run, root {_UNFINISHED}",
    "postgresql": f"SELECT id, attempt, flow_run, root_run_id {_UNFINISHED}",
}
_END_FLOW_RUN = (
    "UPDATE flow_run SET state_type = ?, state_name = NULL, end_time = ?, states = CAST(states || ? AS BLOB)"
    " WHERE number = ? AND state_type < 6"
)
_END_TASK_RUN = (
    "UPDATE task_run SET state_type = ?, state_name = NULL,"
    " duration = CASE WHEN start_time > ? THEN 0 ELSE ? - start_time END,"
    " states = CAST(states || ? AS BLOB) WHERE id = ? AND state_type < 6"
)

FlowRunKey = tuple[int, bytes, int]
"""A flow run's number, id and attempt."""


def find_crashed(database: Database, now: int) -> int:
    """Mark what processes that are gone left unfinished as Crashed; return how many runs."""

    def look(connection: Connection) -> list[tuple[ProcessRecord, int]]:
        found = [(processes.from_row(row), row[8]) for row in connection.execute(_NOT_ENDED)]
        return [(process, seen) for process, seen in found if not processes.is_there(process, seen, now)]

    gone = database.read(look)
    if not gone:
        return 0
    return database.write(
        lambda connection: sum(crash_process(connection, process, seen, now) for process, seen in gone),
        repeatable=True,
    )


def crash_process(connection: Connection, process: ProcessRecord, last_seen: int, now: int) -> int:
    """Mark everything that a process left unfinished as Crashed; return how many flow runs, and task runs
    outside flows."""
    flow_runs = connection.execute(locking(connection, _FLOW_RUNS_OF_PROCESS), (process.id,)).fetchall()
    task_roots = [row[0] for row in connection.execute(_TASK_RUNS_OF_PROCESS, (process.id,))]
    if flow_runs or task_roots:
        message = what_is_known(process, last_seen)
        end_runs(connection, flow_runs, task_roots, CRASHED, message, last_seen, now)
    connection.execute(_GONE, (now, process.id))
    return len(flow_runs) + len(task_roots)


def crash_root(connection: Connection, root_run_id: bytes, now: int) -> None:
    """Mark a root run, of which nothing is known but that no process executes it, and what is nested in it as
    Crashed."""
    message = "It was not finished, and no process that executes it is known."
    end_runs(connection, unfinished_of_root(connection, root_run_id), [], CRASHED, message, now, now)


def unfinished_of_root(connection: Connection, root_run_id: bytes) -> list[FlowRunKey]:
    """Return a root run and the flow runs nested in it, as far as they have not ended."""
    return connection.execute(
        "SELECT number, id, attempt FROM flow_run WHERE id = ? AND state_type < 6"
        " UNION ALL SELECT number, id, attempt FROM flow_run WHERE root_run_id = ? AND state_type < 6",
        (root_run_id, root_run_id),
    ).fetchall()


def what_is_known(process: ProcessRecord, last_seen: int) -> str:
    """Say how a process ended, as far as that can be known afterwards."""
    who = f"Process {process.pid} on {process.host}"
    seen = f"it was last seen at {_clock(last_seen)}"
    if restarted_since(process):
        booted = boot_time()
        when = "" if booted is None else f" at {_clock(booted * 1_000_000)}"
        return f"The machine was restarted{when} while {who} was executing this; {seen}."
    return f"{who} ended without saying how; {seen}."


def end_runs(
    connection: Connection,
    flow_runs: Sequence[FlowRunKey],
    task_roots: Sequence[bytes],
    code: int,
    message: str,
    ended: int,
    now: int,
) -> None:
    """Put flow runs, task runs outside flows, and their unfinished task runs into a final state.

    Task runs that are NotReady stay as they are.
    """
    assert code >= FIRST_TERMINAL_CODE
    task_runs = _unfinished_task_runs(connection, flow_runs, task_roots)
    connection.executemany(
        _END_TASK_RUN,
        [(code, ended, ended, _chunk(id, attempt, code, message, now), id) for id, attempt in task_runs],
    )
    connection.executemany(
        _END_FLOW_RUN,
        [(code, ended, _chunk(id, attempt, code, message, now), number) for number, id, attempt in flow_runs],
    )


def _unfinished_task_runs(
    connection: Connection, flow_runs: Sequence[FlowRunKey], task_roots: Sequence[bytes]
) -> list[tuple[bytes, int]]:
    """Return ids and attempts of the unfinished task runs of flow runs, or of task runs outside flows."""
    if not flow_runs and not task_roots:
        return []
    numbers = {number for number, _, _ in flow_runs}
    roots = set(task_roots)
    # A task run is younger than what it runs in: so this walks a short end of the index by state.
    oldest = min([*roots, *(id for _, id, _ in flow_runs)])
    statement = _UNFINISHED_TASK_RUNS[connection.dialect]
    return [
        (id, attempt)
        for code in range(1, FIRST_TERMINAL_CODE)
        for id, attempt, flow_run, root in connection.execute(statement, (code, oldest))
        if flow_run in numbers or (flow_run is None and (id in roots or root in roots))
    ]


def _chunk(id: bytes, attempt: int, code: int, message: str, now: int) -> bytes:
    # A place of its own, after what the store noted when the attempt was opened and what it said of earlier crashes.
    position = ASIDE + 1 + max(0, now - id_time(id))
    return pack_states(attempt, position, id_time(id), [(code, now, None, message)])


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
