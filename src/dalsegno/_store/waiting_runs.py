"""Runs that wait in the queue: ending them, calling them late, and saying why they wait."""

from __future__ import annotations

from datetime import UTC, datetime

from dalsegno._store import attempts, recovery
from dalsegno._store.connection import Connection
from dalsegno.model.states import STATE_CODES, StateType

_PAUSED = STATE_CODES[StateType.PAUSED]
_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_IDLE = """
    SELECT flow_run_id FROM ready WHERE deployment_id = ?
    UNION ALL
    SELECT id FROM flow_run WHERE deployment_id = ? AND state_type = ? AND state_name = 'Suspended'
"""
_LATE = """
    SELECT ready.flow_run_id, ready.due, run.attempt FROM ready JOIN flow_run AS run ON run.id = ready.flow_run_id
    WHERE late = 0 AND due < ? ORDER BY due LIMIT ?
"""
_CALL_LATE = """
    UPDATE flow_run SET state_name = 'Late', states = CAST(states || ? AS BLOB)
    WHERE id = ? AND state_type = ? AND state_name IS NULL
"""
_WAITING = """
    SELECT ready.due, ready.queue_id, ready.deployment_id, ready.concurrency_key FROM ready WHERE flow_run_id = ?
"""
_QUEUE = """
    SELECT work_pool.name, work_pool.paused, work_pool.concurrency_limit, work_queue.name, work_queue.paused,
        work_queue.concurrency_limit, work_pool.id
    FROM work_queue JOIN work_pool ON work_pool.id = work_queue.pool_id WHERE work_queue.id = ?
"""
_HOLDERS = """
    SELECT run.name FROM run_request AS request JOIN flow_run AS run ON run.id = request.flow_run_id
    WHERE request.holder IS NOT NULL AND {where} ORDER BY request.renewed DESC LIMIT 4
"""
_OF_POOL = "request.queue_id IN (SELECT id FROM work_queue WHERE pool_id = ?)"


def cancel_of_deployment(connection: Connection, deployment_id: bytes, now: int) -> None:
    """Call the runs of a deployment Cancelled that wait in the queue, or to be resumed."""
    rows = connection.execute(_IDLE, (deployment_id, deployment_id, _PAUSED)).fetchall()
    for (id,) in rows:
        attempts.cancel_idle(connection, id, "Its deployment was deleted while it waited.", now)


def any_late(connection: Connection, now: int, after: int) -> bool:
    """Tell whether there are runs to call late."""
    return (
        connection.execute("SELECT 1 FROM ready WHERE late = 0 AND due < ? LIMIT 1", (now - after,)).fetchone()
        is not None
    )


def call_late(connection: Connection, now: int, after: int, limit: int) -> list[bytes]:
    """Call runs Late that were due so many microseconds ago and still wait; return which."""
    rows = connection.execute(_LATE, (now - after, limit)).fetchall()
    for id, due, attempt in rows:
        entry = (_SCHEDULED, now, "Late", None, {"scheduled_time": due})
        connection.execute(_CALL_LATE, (recovery.aside(id, attempt, entry, now), id, _SCHEDULED))
        connection.execute("UPDATE ready SET late = 1 WHERE flow_run_id = ?", (id,))
    return [row[0] for row in rows]


def why(connection: Connection, flow_run_id: bytes, now: int) -> list[str]:
    """Return why a run waits, in words, the most important reason first; nothing if it does not wait."""
    row = connection.execute(_WAITING, (flow_run_id,)).fetchone()
    if row is None:
        return []
    due, queue, deployment, key = row
    reasons: list[str] = []
    if due > now:
        reasons.append(f"It is not due before {_time(due)}.")
    if deployment is not None:
        reasons += _of_deployment(connection, deployment, key, now)
    if queue is not None:
        reasons += _of_queue(connection, queue, now)
    elif deployment is not None:
        reasons += _of_servers(connection, deployment, now)
    return reasons or ["It is next: whoever has room takes it."]


def _of_deployment(connection: Connection, id: bytes, key: str | None, now: int) -> list[str]:
    text = "SELECT flow_name, name, concurrency_limit, next_start FROM deployment WHERE id = ?"
    row = connection.execute(text, (id,)).fetchone()
    if row is None:
        return []
    flow, name, limit, next_start = row
    reasons: list[str] = []
    held = _holders(
        connection, "request.deployment_id = ? AND coalesce(request.concurrency_key, '') = ?", id, key or ""
    )
    if limit is not None and len(held) >= min(limit, 4):
        of = f", for the key {key!r}," if key else ""
        reasons.append(f"Deployment '{flow}/{name}' is at its limit of {limit}{of}: held by {', '.join(held)}.")
    if next_start is not None and next_start > now:
        reasons.append(f"Deployment '{flow}/{name}' starts its next run at {_time(next_start)}, by its start rate.")
    return reasons


def _of_queue(connection: Connection, id: bytes, now: int) -> list[str]:
    row = connection.execute(_QUEUE, (id,)).fetchone()
    if row is None:
        return ["Its work queue was deleted."]
    pool, pool_paused, pool_limit, queue, queue_paused, queue_limit, pool_id = row
    reasons: list[str] = []
    if pool_paused:
        reasons.append(f"Work pool {pool!r} is paused.")
    if queue_paused:
        reasons.append(f"Work queue {queue!r} of pool {pool!r} is paused.")
    for what, limit, where, of in (
        (f"Work pool {pool!r}", pool_limit, _OF_POOL, pool_id),
        (f"Work queue {queue!r} of pool {pool!r}", queue_limit, "request.queue_id = ?", id),
    ):
        held = _holders(connection, where, of)
        if limit is not None and len(held) >= min(limit, 4):
            reasons.append(f"{what} is at its limit of {limit}: held by {', '.join(held)}.")
    text = "SELECT max(last_seen), max(last_seen + lease) FROM worker WHERE pool_id = ?"
    last, until = connection.execute(text, (pool_id,)).fetchone()
    if last is None:
        reasons.append(f"Pool {pool!r} has no worker: `dalsegno worker start --pool {pool}` starts one.")
    elif until <= now:
        reasons.append(f"No worker of pool {pool!r} since {_time(last)}.")
    return reasons


def _of_servers(connection: Connection, deployment: bytes, now: int) -> list[str]:
    text = (
        "SELECT max(last_seen), max(last_seen + lease) FROM served_deployment AS served"
        " JOIN worker ON worker.process_id = served.process_id WHERE served.deployment_id = ?"
    )
    last, until = connection.execute(text, (deployment,)).fetchone()
    if last is None:
        return ["Nobody serves its deployment: start the script that does."]
    return [f"Nobody serves its deployment since {_time(last)}."] if until <= now else []


def _holders(connection: Connection, where: str, *values: object) -> list[str]:
    rows = connection.execute(_HOLDERS.format(where=where), values).fetchall()
    return [repr(name) for (name,) in rows]


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
