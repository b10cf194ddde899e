"""The queue of runs that were asked for: asking, claiming the most urgent ones, keeping claims, giving them back."""

from __future__ import annotations

import msgspec

from dalsegno._store import (
    apply,
    attempts,
    background,
    claiming,
    contact,
    crashes,
    deployment_runs,
    pools,
    processes,
    recovery,
    slots,
)
from dalsegno._store.connection import Connection
from dalsegno._store.rows import ASIDE
from dalsegno._store.statements import in_chunks, locking
from dalsegno.exceptions import BackendError, RunIsAlive
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.queue import ClaimedRun, ClaimRuns, RequestRun
from dalsegno.model.records import EntryPoint, Receipt
from dalsegno.model.states import STATE_CODES, StateType, pack_states

_MOST = 1000
"""Runs that are claimed at once."""
_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_CANCELLED = STATE_CODES[StateType.CANCELLED]
_PENDING = STATE_CODES[StateType.PENDING]

_REQUEST = """
    INSERT INTO run_request
        (flow_run_id, priority, on_crash, max_recoveries, recovery_delay, recoveries, attempt, holder, renewed)
    VALUES (?, ?, ?, ?, ?, 0, ?, NULL, NULL)
    ON CONFLICT (flow_run_id) DO UPDATE SET priority = excluded.priority, on_crash = excluded.on_crash,
        max_recoveries = excluded.max_recoveries, recovery_delay = excluded.recovery_delay, recoveries = 0,
        attempt = excluded.attempt, holder = NULL, renewed = NULL
"""
_NEXT_ATTEMPT = "UPDATE flow_run SET attempt = ?, version = 0 WHERE id = ?"
_RUNS = """
    SELECT run.id, run.attempt, request.attempt, run.entry, request.deployment_id,
        request.job_variables
    FROM flow_run AS run JOIN run_request AS request ON request.flow_run_id = run.id WHERE run.id IN ({texts})
"""
_TAKE_RUN = """
    UPDATE flow_run SET attempt = ?, version = 0, state_type = ?, state_name = NULL, end_time = NULL, process_id = ?,
        states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_TAKE_REQUEST = "UPDATE run_request SET holder = ?, renewed = ?, attempt = ? WHERE flow_run_id = ?"
_RENEW = "UPDATE run_request SET renewed = ? WHERE flow_run_id = ? AND attempt = ? AND holder IS NOT NULL"
_TOUCH = "UPDATE process SET last_seen = ? WHERE id = (SELECT process_id FROM flow_run WHERE id = ? AND attempt = ?)"
_HELD = """
    SELECT run.cancel_requested FROM run_request AS request JOIN flow_run AS run ON run.id = request.flow_run_id
    WHERE request.flow_run_id = ? AND request.holder IS NOT NULL
"""
_NOT_BEGUN = """
    SELECT run.id, run.attempt, request.priority FROM flow_run AS run
    JOIN run_request AS request ON request.flow_run_id = run.id
    WHERE run.id = ? AND run.attempt = ? AND run.version = 0 AND request.holder IS NOT NULL AND run.state_type < 6
"""
_CLAIMS_OF_PROCESS = """
    SELECT run.id, run.attempt FROM flow_run AS run JOIN run_request AS request ON request.flow_run_id = run.id
    WHERE run.process_id = ? AND run.version = 0 AND request.holder IS NOT NULL AND run.state_type < 6
"""

_decode_entry = msgspec.msgpack.Decoder(EntryPoint).decode


def request(connection: Connection, asked: RequestRun, now: int) -> bool:
    """Put a run into the queue. False: it waits there already.

    Raises ObjectNotFound, or RunIsAlive while it is executed.
    """
    due = now if asked.due is None else asked.due
    if asked.snapshot is not None and asked.flow is not None:
        if asked.snapshot.id != asked.flow_run_id or asked.snapshot.state_type != _SCHEDULED:
            raise BackendError("A run that is asked for is Scheduled, and its snapshot has the id that is asked for.")
        # Positions of the run's own states begin with those of the process that will execute it.
        entry = (_SCHEDULED, now, asked.snapshot.state_name, None, {"scheduled_time": due})
        states = recovery.aside(asked.flow_run_id, asked.snapshot.attempt, entry, now)
        apply.write_flow_run(connection, asked.flow, msgspec.structs.replace(asked.snapshot, states=states))
    root = attempts.find_root(connection, asked.flow_run_id)
    if root.id != asked.flow_run_id:
        raise BackendError(f"{root} is the root of what is asked for: ask for that one, which picks up there.")
    if connection.execute("SELECT 1 FROM ready WHERE flow_run_id = ?", (root.id,)).fetchone() is not None:
        return False
    policy = (asked.priority, asked.on_crash, asked.max_recoveries, round(asked.recovery_delay * 1e6))
    if root.state_type == _SCHEDULED and root.process_id is None:
        connection.execute(_REQUEST, (root.id, *policy, root.attempt - 1))
        recovery.enqueue(connection, root.id, asked.priority, due)
        return True
    if root.is_suspended:
        raise RunIsAlive(f"{root} is suspended: resume it with `dalsegno flow-run resume {id_text(root.id)}`.")
    if not root.ended:
        raise RunIsAlive(f"{root} is being executed: cancel it, or wait for its end, before asking for it again.")
    connection.execute(_NEXT_ATTEMPT, (root.attempt + 1, root.id))
    connection.execute(_REQUEST, (root.id, *policy, root.attempt))
    recovery.schedule(connection, root.id, root.attempt + 1, asked.priority, due, now)
    return True


def claim(connection: Connection, asked: ClaimRuns, lease: int, now: int) -> list[ClaimedRun]:
    """Hand out runs that wait, each under a new attempt and a lease: highest priority first, then the earliest."""
    taken = claiming.take(connection, asked, max(0, min(asked.limit, _MOST)), now)
    if not taken:
        return []
    contact.register(connection, asked.process, lease, now)
    order = {row[0]: (-row[1], row[2], row[0]) for row in taken}
    template = {} if asked.pool is None else pools.job_template(connection, asked.pool)
    claimed: list[ClaimedRun] = []
    for texts, chunk in in_chunks(list(order)):
        rows = connection.execute(locking(connection, _RUNS.format(texts=texts)), chunk).fetchall()
        connection.execute(f"DELETE FROM pause_wish WHERE root_run_id IN ({texts})", chunk)
        for id, attempt, handed_out, entry, deployment, variables in rows:
            # No number is ever given twice: whoever had an earlier one is fenced.
            attempt = max(attempt, handed_out + 1)
            chunk_of_states = pack_states(attempt, ASIDE, id_time(id), [(_PENDING, now)])
            connection.execute(_TAKE_RUN, (attempt, _PENDING, asked.process.id, chunk_of_states, id))
            connection.execute(_TAKE_REQUEST, (asked.holder, now, attempt, id))
            run = ClaimedRun(flow_run_id=id, attempt=attempt, lease=lease / 1e6, job_template=template)
            run.entry = None if entry is None else _decode_entry(entry)
            if deployment is not None:
                run.deployment = deployment_runs.claimed(connection, id, deployment, variables)
            claimed.append(run)
    return sorted(claimed, key=lambda run: order[run.flow_run_id])


def renew(connection: Connection, process_id: bytes, held: dict[bytes, int], now: int) -> Receipt:
    """Renew the leases of claimed runs, each under its attempt, for whoever watches over their processes."""
    processes.touch(connection, process_id, now)
    for id, attempt in held.items():
        connection.execute(_RENEW, (now, id, attempt))
        connection.execute(_TOUCH, (now, id, attempt))
    return apply.wishes(connection, held)


def give_back(connection: Connection, held: dict[bytes, int], now: int) -> int:
    """Put claimed runs that were not begun back into the queue, where they wait as before; return how many."""
    count = 0
    for id, attempt in held.items():
        row = connection.execute(locking(connection, _NOT_BEGUN), (id, attempt)).fetchone()
        if row is not None:
            recovery.end_claim(connection, id, now, recover=False)
            recovery.schedule(connection, id, attempt + 1, row[2], now, now)
            count += 1
    return count


def crash_attempt(connection: Connection, flow_run_id: bytes, attempt: int, message: str, now: int) -> bool:
    """Call the attempt of a claimed run Crashed, as whoever watches over its process knows why; recover it by its
    policy. One that was to be cancelled is Cancelled. False: that attempt is over already."""
    root = attempts.find_root(connection, flow_run_id)
    held = connection.execute(_HELD, (root.id,)).fetchone()
    if root.attempt != attempt or root.ended or held is None:
        return False
    code = crashes.CRASHED if held[0] is None else _CANCELLED
    crashes.end_runs(connection, crashes.unfinished_of_root(connection, root.id), [], code, message, now, now)
    recovery.end_claim(connection, root.id, now, recover=True)
    return True


def end_process(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process ends in order: what it had claimed and not begun waits again, and its slots are free."""
    give_back(connection, dict(connection.execute(_CLAIMS_OF_PROCESS, (process_id,)).fetchall()), now)
    background.give_back_all(connection, process_id, now)
    slots.free_of_process(connection, process_id)
    processes.end(connection, process_id, now)


def set_priority(connection: Connection, flow_run_id: bytes, priority: int) -> bool:
    """Change the priority of a run that waits. False: it does not wait."""
    connection.execute("UPDATE run_request SET priority = ? WHERE flow_run_id = ?", (priority, flow_run_id))
    return (
        connection.execute("UPDATE ready SET priority = ? WHERE flow_run_id = ?", (priority, flow_run_id)).rowcount > 0
    )
