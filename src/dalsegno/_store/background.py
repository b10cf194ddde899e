"""Task runs in the background: the ones that wait, claims on them, and what becomes of claims whose holder is gone.

A row stands as long as the task run has not ended. Its attempt fences: what an earlier one still sends is not written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dalsegno._store import contact, leases, recovery
from dalsegno._store.connection import Connection, Database
from dalsegno._store.statements import in_chunks, locking, skipping
from dalsegno.exceptions import BackendError
from dalsegno.model.background import ClaimedTask, ClaimTasks, HeldTasks, RequestTask
from dalsegno.model.ids import id_time
from dalsegno.model.records import Batch
from dalsegno.model.states import STATE_CODES, StateType, pack_states

_MOST = 100
"""Task runs that are claimed at once."""
_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_PENDING = STATE_CODES[StateType.PENDING]
_COMPLETED = STATE_CODES[StateType.COMPLETED]

_INSERT = """
    INSERT INTO background_task
        (task_run_id, task_key, parameters, attempt, recoveries, max_recoveries, holder, process_id, renewed)
    VALUES (?, ?, ?, ?, 0, ?, NULL, NULL, NULL) ON CONFLICT (task_run_id) DO NOTHING
"""
_WAITING = """
    SELECT task_run_id, task_key, parameters, attempt FROM background_task
    WHERE holder IS NULL AND task_key IN ({texts}) ORDER BY task_run_id LIMIT ?
"""
_TAKE = "UPDATE background_task SET holder = ?, process_id = ?, renewed = ? WHERE task_run_id = ?"
_TAKE_RUN = """
    UPDATE task_run SET attempt = ?, version = 0, state_type = ?, state_name = NULL, process_id = ?,
        states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_RUN = "SELECT run_count, start_time, extra, upstream FROM task_run WHERE id = ?"
_RENEW = "UPDATE background_task SET renewed = ? WHERE task_run_id = ? AND attempt = ? AND process_id = ?"
_HELD_BY = """
    SELECT task_run_id, attempt, recoveries, max_recoveries FROM background_task WHERE process_id = ?
    ORDER BY task_run_id
"""
_HELD = "SELECT attempt FROM background_task WHERE task_run_id = ? AND attempt = ? AND holder IS NOT NULL"
_WAIT_AGAIN = """
    UPDATE background_task SET holder = NULL, process_id = NULL, renewed = NULL, attempt = attempt + 1,
        recoveries = recoveries + ?
    WHERE task_run_id = ?
"""
_WAIT_RUN = """
    UPDATE task_run SET attempt = ?, version = 0, state_type = ?, state_name = ?, process_id = NULL, duration = NULL,
        states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_FENCE_RUN = "UPDATE task_run SET attempt = ?, version = 0 WHERE id = ?"
_DELETE = "DELETE FROM background_task WHERE task_run_id = ?"
# Claims whose answer may never have reached the one who claimed: nothing of their attempt has come.
_IDLE = """
    SELECT task.task_run_id, task.renewed, process.lease FROM background_task AS task
    JOIN task_run AS run ON run.id = task.task_run_id LEFT JOIN process ON process.id = task.process_id
    WHERE task.process_id IS NOT NULL AND run.version = 0
"""
_OF_ROOTS = "SELECT task_run_id, attempt FROM background_task WHERE task_run_id IN ({texts}) ORDER BY task_run_id"


def request(connection: Connection, asked: RequestTask) -> bool:
    """Keep a task run for whoever serves its task. False: it was asked for before, and may have ended."""
    run = asked.snapshot
    if run.state_type != _SCHEDULED or run.root_run_id != run.id or run.flow_run_id is not None:
        raise BackendError("A task run that is asked for is Scheduled, and stands outside of flows.")
    if connection.execute("SELECT 1 FROM task_run WHERE id = ?", (run.id,)).fetchone() is not None:
        return False
    row = (run.id, asked.task.key, asked.parameters, run.attempt + 1, asked.max_recoveries)
    return connection.execute(_INSERT, row).rowcount > 0


def batch_of(asked: RequestTask) -> Batch:
    """Return the record of a task run that is asked for, to be written with it."""
    blobs = [] if asked.blob is None else [asked.blob]
    return Batch(attempts={}, tasks=[asked.task], task_runs=[asked.snapshot], blobs=blobs)


def any_waiting(connection: Connection, asked: ClaimTasks) -> bool:
    """Tell whether a claim would find something: looking takes no turn at writing."""
    return bool(_waiting(connection, asked.task_keys, 1, locked=False))


def claim(connection: Connection, asked: ClaimTasks, lease: int, now: int) -> list[ClaimedTask]:
    """Hand out task runs that wait, the earliest first, each under a lease."""
    rows = _waiting(connection, asked.task_keys, max(0, min(asked.limit, _MOST)), locked=True)
    if not rows:
        return []
    contact.register(connection, asked.process, lease, now)
    claimed: list[ClaimedTask] = []
    for id, key, parameters, attempt in rows:
        run = connection.execute(_RUN, (id,)).fetchone()
        if run is None:  # deleted by hand
            connection.execute(_DELETE, (id,))
            continue
        # At the place of the state with which the run's own history begins: whoever executes it goes on from there.
        chunk = pack_states(attempt, 0, id_time(id), [(_PENDING, now)])
        connection.execute(_TAKE, (asked.holder, asked.process.id, now, id))
        connection.execute(_TAKE_RUN, (attempt, _PENDING, asked.process.id, chunk, id))
        claimed.append(
            ClaimedTask(
                task_run_id=id,
                task_key=key,
                attempt=attempt,
                claimed=now,
                parameters=parameters,
                run_count=run[0],
                start_time=run[1],
                extra=run[2],
                upstream=run[3],
            )
        )
    return claimed


def renew(connection: Connection, process_id: bytes, held: dict[bytes, int], now: int) -> HeldTasks:
    """Renew claims, each under its attempt."""
    contact.note(connection, process_id, now)
    answer = HeldTasks()
    for id in sorted(held):
        if connection.execute(_RENEW, (now, id, held[id], process_id)).rowcount == 0:
            answer.lost.append(id)
    return answer


def give_back(connection: Connection, held: dict[bytes, int], now: int) -> int:
    """Have claimed task runs wait again, as before; return how many. What they were doing is fenced."""
    count = 0
    for id in sorted(held):
        if connection.execute(locking(connection, _HELD), (id, held[id])).fetchone() is not None:
            _wait_again(connection, id, held[id], now, counts=False)
            count += 1
    return count


def give_back_all(connection: Connection, process_id: bytes, now: int) -> int:
    """Have all that a process holds, which ends in order, wait again; return how many."""
    rows = connection.execute(locking(connection, _HELD_BY), (process_id,)).fetchall()
    for id, attempt, _, _ in rows:
        _wait_again(connection, id, attempt, now, counts=False)
    return len(rows)


def recover_of_process(connection: Connection, process_id: bytes, now: int) -> int:
    """Have what a process that is gone was executing wait again, up to its limit; return how many wait.

    Those beyond it stay Crashed. Either way the attempt is fenced.
    """
    count = 0
    for id, attempt, recoveries, most in connection.execute(locking(connection, _HELD_BY), (process_id,)).fetchall():
        if recoveries < most:
            message = f"Recovery {recoveries + 1} of {most} at most."
            _wait_again(connection, id, attempt, now, counts=True, name="AwaitingRetry", message=message)
            count += 1
        else:
            connection.execute(_FENCE_RUN, (attempt + 1, id))
            connection.execute(_DELETE, (id,))
    return count


def recover_idle(database: Database, now: int) -> int:
    """Have claims wait again that were not renewed, and of which nothing came; return how many."""

    def look(connection: Connection) -> list[bytes]:
        counted_from = leases.counted_from(connection, now)
        return [
            id
            for id, renewed, lease in connection.execute(_IDLE).fetchall()
            if leases.has_ended(renewed, lease or leases.DEFAULT_LENGTH, counted_from, now)
        ]

    def end(connection: Connection, id: bytes) -> int:
        row = connection.execute(
            locking(connection, "SELECT attempt FROM background_task WHERE task_run_id = ?"), (id,)
        ).fetchone()
        if row is None or id not in look(connection):
            return 0
        _wait_again(connection, id, row[0], now, counts=False)
        return 1

    ended = database.read(look)
    return sum(database.write(lambda connection, id=id: end(connection, id), repeatable=True) for id in ended)


def attempts_of(connection: Connection, roots: Sequence[bytes]) -> dict[bytes, int]:
    """Return the attempts of those of some roots that are in the background; their rows are locked."""
    return {
        id: attempt
        for texts, ids in in_chunks(sorted(roots))
        for id, attempt in connection.execute(locking(connection, _OF_ROOTS.format(texts=texts)), ids)
    }


def close_ended(connection: Connection, batch: Batch) -> None:
    """Note which task runs of a batch have ended: nobody executes them any more."""
    for run in batch.task_runs:
        if run.state_type >= _COMPLETED and run.root_run_id == run.id:
            connection.execute(_DELETE, (run.id,))


def _waiting(connection: Connection, keys: Sequence[str], most: int, *, locked: bool) -> list[Any]:
    if not keys or most <= 0:
        return []
    text = _WAITING.format(texts=",".join("?" * len(keys)))
    return connection.execute(skipping(connection, text) if locked else text, (*keys, most)).fetchall()


def _wait_again(
    connection: Connection,
    id: bytes,
    attempt: int,
    now: int,
    *,
    counts: bool,
    name: str | None = None,
    message: str | None = None,
) -> None:
    # A later microsecond than what the store has just said of it: one place holds one state.
    chunk = recovery.aside(id, attempt, (_SCHEDULED, now, name, message), now + 1)
    connection.execute(_WAIT_AGAIN, (int(counts), id))
    connection.execute(_WAIT_RUN, (attempt + 1, _SCHEDULED, name, chunk, id))
