"""The end of a claim: the attempt is fenced, its slots are freed, and by its policy the run is queued again."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dalsegno._store import slots
from dalsegno._store.connection import Connection
from dalsegno._store.rows import ASIDE
from dalsegno.model.ids import id_time
from dalsegno.model.states import STATE_CODES, StateType, pack_states

_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_LONGEST_DELAY = 600_000_000
"""Microseconds."""

_REQUEST = """
    SELECT request.holder, request.on_crash, request.max_recoveries, request.recoveries, request.recovery_delay,
        request.priority, run.attempt, run.cancel_requested
    FROM run_request AS request JOIN flow_run AS run ON run.id = request.flow_run_id WHERE request.flow_run_id = ?
"""
# The version starts anew: (attempt, version) is newer than anything of the attempts before.
_FENCE = "UPDATE flow_run SET attempt = attempt + 1, version = 0 WHERE id = ?"
_LET_GO = "UPDATE run_request SET holder = NULL, renewed = NULL WHERE flow_run_id = ?"
_COUNT = "UPDATE run_request SET recoveries = recoveries + 1 WHERE flow_run_id = ?"
_SCHEDULE = """
    UPDATE flow_run SET state_type = ?, state_name = ?, end_time = NULL, process_id = NULL, cancel_requested = NULL,
        states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_READY = """
    INSERT INTO ready (flow_run_id, priority, due, queue_id, deployment_id, concurrency_key)
    SELECT flow_run_id, CAST(? AS BIGINT), CAST(? AS BIGINT), queue_id, deployment_id, concurrency_key
    FROM run_request WHERE flow_run_id = ?
    ON CONFLICT (flow_run_id) DO UPDATE SET priority = excluded.priority, due = excluded.due
"""
_NOT_READY = "DELETE FROM ready WHERE flow_run_id = ?"


def end_claim(connection: Connection, root_run_id: bytes, now: int, *, recover: bool) -> bool:
    """End whatever claim there is on a root run whose attempt has just ended without its process saying so.

    True: it was claimed and waits again. Its fence is raised before anybody can claim it.
    """
    slots.free_of_roots(connection, [root_run_id])
    connection.execute(_NOT_READY, (root_run_id,))
    row = connection.execute(_REQUEST, (root_run_id,)).fetchone()
    if row is None or row[0] is None:
        return False
    _, on_crash, most, recoveries, delay, priority, attempt, cancel_requested = row
    connection.execute(_FENCE, (root_run_id,))
    connection.execute(_LET_GO, (root_run_id,))
    if not recover or on_crash != "resume" or recoveries >= most or cancel_requested is not None:
        return False
    wait = min(delay << recoveries, _LONGEST_DELAY) * (0.5 + random.random())
    connection.execute(_COUNT, (root_run_id,))
    message = f"Recovery {recoveries + 1} of {most} at most."
    schedule(connection, root_run_id, attempt + 1, priority, now + round(wait), now, "AwaitingRetry", message)
    return True


def close_claims(connection: Connection, root_run_ids: Sequence[bytes]) -> None:
    """Note that root runs ended by their own word: nobody executes them, and no slot is theirs."""
    for root in root_run_ids:
        connection.execute(_LET_GO, (root,))
    slots.free_of_roots(connection, root_run_ids)


def schedule(
    connection: Connection,
    root_run_id: bytes,
    attempt: int,
    priority: int,
    due: int,
    now: int,
    name: str | None = None,
    message: str | None = None,
) -> None:
    """Put a root run into the queue, in a state of type SCHEDULED."""
    entry = (_SCHEDULED, now, name, message, {"scheduled_time": due})
    chunk = aside(root_run_id, attempt, entry, now)
    connection.execute(_SCHEDULE, (_SCHEDULED, name, chunk, root_run_id))
    enqueue(connection, root_run_id, priority, due)


def enqueue(connection: Connection, root_run_id: bytes, priority: int, due: int) -> None:
    """Have a run wait to be claimed."""
    connection.execute(_READY, (priority, due, root_run_id))


def aside(id: bytes, attempt: int, entry: tuple[object, ...], now: int) -> bytes:
    """Pack a state that the store adds to a history, at a place of its own: after what the store noted when the
    attempt was opened, and what it said before."""
    return pack_states(attempt, ASIDE + 1 + max(0, now - id_time(id)), id_time(id), [entry])
