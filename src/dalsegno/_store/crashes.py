"""Finds runs whose process is gone and says so in their records; cheap, for it looks at unfinished runs only.

What it writes does not raise a run's version: if the process of a run that was called directly was only thought to be
gone, it corrects that when it is heard of again. The attempt of a claimed run is fenced.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dalsegno._processes import boot_time, is_alive, restarted_since
from dalsegno._store import background, leases, processes, recovery, slots
from dalsegno._store.connection import Connection, Database, Dialect
from dalsegno._store.processes import Seen
from dalsegno._store.statements import locking
from dalsegno.model.states import FIRST_TERMINAL_CODE, STATE_CODES, StateType

CRASHED = STATE_CODES[StateType.CRASHED]

_NOT_ENDED = f"SELECT {processes.COLUMNS} FROM process WHERE ended IS NULL"
_GONE = "UPDATE process SET ended = ? WHERE id = ? AND ended IS NULL"
# The workers that claimed what a process executes; one that came later and has the same name is none of them.
_WATCHERS = f"""
    SELECT {processes.COLUMNS} FROM process WHERE ended IS NULL AND id <> ? AND id IN (
        SELECT worker.process_id FROM flow_run AS run
        JOIN run_request AS request ON request.flow_run_id = run.id JOIN worker ON worker.name = request.holder
        WHERE run.process_id = ? AND run.state_type < 6
    ) AND process.start_time <= (SELECT watched.start_time FROM process AS watched WHERE watched.id = ?)
"""
_FLOW_RUNS_OF_PROCESS = "SELECT number, id, attempt FROM flow_run WHERE process_id = ? AND state_type < 6 ORDER BY id"
_ROOTS_OF_PROCESS = (
    "SELECT id FROM flow_run WHERE process_id = ? AND state_type < 6 AND root_run_id IS NULL ORDER BY id"
)
# Claims of which nothing was heard but, perhaps, that their holder lives: it may never have learned of them.
_IDLE_CLAIMS = """
    SELECT run.id, request.holder, request.renewed, process.lease FROM run_request AS request
    JOIN flow_run AS run ON run.id = request.flow_run_id LEFT JOIN process ON process.id = run.process_id
    WHERE request.holder IS NOT NULL AND run.version = 0 AND run.state_type < 6
"""
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

_TO_REPORT = 10_000_000
"""Microseconds that a worker is given to say how a process ended that it watches over: only it can know."""
_missed_since: dict[bytes, int] = {}
"""When a process whose worker lives was first seen to be gone. Ids of processes are the same in no two databases."""

FlowRunKey = tuple[int, bytes, int]
"""A flow run's number, id and attempt."""


def find_crashed(database: Database, now: int) -> int:
    """Mark what processes that are gone left unfinished as Crashed; return how many runs.

    A worker that lives has a few seconds to do it itself: it knows the exit code, and the last lines of output.
    """

    def look(connection: Connection) -> list[bytes]:
        counted_from = leases.counted_from(connection, now)
        found = [processes.from_row(row) for row in connection.execute(_NOT_ENDED).fetchall()]
        gone = [seen.process.id for seen in found if not processes.is_there(seen, counted_from, now)]
        return [id for id in gone if not _is_for_its_worker(connection, id, counted_from, now)]

    def crash(connection: Connection, process_id: bytes) -> int:
        # It may have been heard of since: only what stands here and now ends a lease.
        seen = processes.find(connection, process_id)
        if seen is None or seen.ended or processes.is_there(seen, leases.counted_from(connection, now), now):
            return 0
        return crash_process(connection, seen, now)

    gone = database.read(look)
    return sum(database.write(lambda connection, id=id: crash(connection, id), repeatable=True) for id in gone)


def _is_for_its_worker(connection: Connection, process_id: bytes, counted_from: int, now: int) -> bool:
    rows = connection.execute(_WATCHERS, (process_id, process_id, process_id)).fetchall()
    if not any(processes.is_there(processes.from_row(row), counted_from, now) for row in rows):
        _missed_since.pop(process_id, None)
        return False
    for id, since in list(_missed_since.items()):
        if since + 2 * _TO_REPORT < now:
            _missed_since.pop(id, None)  # It was reported long ago.
    return now < _missed_since.setdefault(process_id, now) + _TO_REPORT


def find_idle_claims(database: Database, now: int) -> int:
    """End the claims that were not renewed before anything of their attempt came; return how many."""

    def look(connection: Connection) -> dict[bytes, tuple[str, int]]:
        counted_from = leases.counted_from(connection, now)
        return {
            id: (holder, renewed)
            for id, holder, renewed, lease in connection.execute(_IDLE_CLAIMS).fetchall()
            if leases.has_ended(renewed, lease or leases.DEFAULT_LENGTH, counted_from, now)
        }

    def end(connection: Connection, id: bytes) -> int:
        # Locked, and looked at again: another server may have ended it meanwhile, or its holder renewed it.
        connection.execute(locking(connection, "SELECT id FROM flow_run WHERE id = ?"), (id,)).fetchone()
        found = look(connection).get(id)
        if found is None:
            return 0
        holder, renewed = found
        message = f"Lost contact with {holder}, which had claimed it, since {_clock(renewed)}."
        end_runs(connection, unfinished_of_root(connection, id), [], CRASHED, message, renewed, now)
        recovery.end_claim(connection, id, now, recover=True)
        return 1

    ended = database.read(look)
    return sum(database.write(lambda connection, id=id: end(connection, id), repeatable=True) for id in ended)


def crash_process(connection: Connection, seen: Seen, now: int, *, recover: bool = True) -> int:
    """Mark everything that a process left unfinished as Crashed; return how many flow runs, and task runs
    outside flows.

    What it held is freed, and runs that it had claimed are fenced, and recovered if their policy says so.
    """
    process = seen.process
    flow_runs = connection.execute(locking(connection, _FLOW_RUNS_OF_PROCESS), (process.id,)).fetchall()
    task_roots = [row[0] for row in connection.execute(_TASK_RUNS_OF_PROCESS, (process.id,))]
    roots = [row[0] for row in connection.execute(_ROOTS_OF_PROCESS, (process.id,))]
    if flow_runs or task_roots:
        end_runs(connection, flow_runs, task_roots, CRASHED, what_is_known(seen), seen.last_seen, now)
    for root in roots:
        recovery.end_claim(connection, root, now, recover=recover)
    background.recover_of_process(connection, process.id, now)
    slots.free_of_process(connection, process.id)
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


def what_is_known(seen: Seen) -> str:
    """Say how a process ended, as far as that can be known afterwards."""
    process = seen.process
    who = f"Process {process.pid} on {process.host}"
    at = f"it was last seen at {_clock(seen.last_seen)}"
    if restarted_since(process):
        booted = boot_time()
        when = "" if booted is None else f" at {_clock(booted * 1_000_000)}"
        return f"The machine was restarted{when} while {who} was executing this; {at}."
    if is_alive(process) is None:
        return f"Lost contact with process {process.pid} on {process.host} since {_clock(seen.last_seen)}."
    return f"{who} ended without saying how; {at}."


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
    return recovery.aside(id, attempt, (code, now, None, message), now)


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
