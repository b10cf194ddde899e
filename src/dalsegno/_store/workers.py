"""Workers: which are there, for which pool or deployments, and when they were last heard of."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store import pools
from dalsegno._store.connection import Connection
from dalsegno._store.statements import in_chunks
from dalsegno.model.pools import WorkerRecord, WorkerView

_UPSERT = """
    INSERT INTO worker (process_id, name, pool_id, record, started, last_seen, lease) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (process_id) DO UPDATE SET record = excluded.record, last_seen = excluded.last_seen,
        lease = excluded.lease
"""
_KNOWN = "SELECT record FROM worker WHERE process_id = ? AND last_seen + lease > ?"
_LIST = "SELECT record, started, last_seen, lease FROM worker"
_KEPT = 86_400_000_000
"""Microseconds: one that was not heard of for so long is forgotten."""

_decode = msgspec.msgpack.Decoder(WorkerRecord).decode


def heard_of(connection: Connection, worker: WorkerRecord, lease: int, now: int) -> bool:
    """Note that a worker is there; return whether that is news to its readers. Raises ObjectNotFound if its pool is
    not there."""
    packed = msgspec.msgpack.encode(worker)
    known = connection.execute(_KNOWN, (worker.process_id, now)).fetchone()
    pool = None if worker.work_pool_name is None else pools.read_pool(connection, worker.work_pool_name, now).id
    row = (worker.process_id, worker.name, pool, packed, now, now, lease)
    connection.execute(_UPSERT, row)
    connection.execute("DELETE FROM served_deployment WHERE process_id = ?", (worker.process_id,))
    for id in worker.deployments:
        connection.execute(
            "INSERT INTO served_deployment (deployment_id, process_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (id, worker.process_id),
        )
    if pool is not None:
        _note_polled(connection, pool, worker.queues, now)
    return known is None or known[0] != packed


def _note_polled(connection: Connection, pool_id: bytes, queues: list[str], now: int) -> None:
    if not queues:
        connection.execute("UPDATE work_queue SET last_polled = ? WHERE pool_id = ?", (now, pool_id))
        return
    for texts, chunk in in_chunks(queues):
        connection.execute(
            f"UPDATE work_queue SET last_polled = ? WHERE pool_id = ? AND name IN ({texts})", (now, pool_id, *chunk)
        )


def gone(connection: Connection, process_id: bytes) -> None:
    """Note that a worker has ended."""
    connection.execute("DELETE FROM worker WHERE process_id = ?", (process_id,))
    connection.execute("DELETE FROM served_deployment WHERE process_id = ?", (process_id,))


def list_workers(connection: Connection, pool: str | None, now: int) -> list[WorkerView]:
    """Return the workers of a pool, or all, the newest first."""
    where, values = ("", ())
    if pool is not None:
        where, values = "WHERE pool_id = (SELECT id FROM work_pool WHERE name = ?)", (pool,)
    rows = connection.execute(f"{_LIST} {where} ORDER BY started DESC, process_id LIMIT 1000", values).fetchall()
    return [_view(row, now) for row in rows]


def forget_old(connection: Connection, now: int) -> int:
    """Forget workers that were not heard of for a day; return how many."""
    rows = connection.execute("SELECT process_id FROM worker WHERE last_seen < ?", (now - _KEPT,)).fetchall()
    for (id,) in rows:
        gone(connection, id)
    return len(rows)


def any_serves(connection: Connection, deployment_id: bytes, now: int) -> bool:
    """Tell whether somebody serves a deployment of no pool."""
    text = (
        "SELECT 1 FROM served_deployment AS served JOIN worker ON worker.process_id = served.process_id"
        " WHERE served.deployment_id = ? AND last_seen + lease > ? LIMIT 1"
    )
    return connection.execute(text, (deployment_id, now)).fetchone() is not None


def _view(row: tuple[Any, ...], now: int) -> WorkerView:
    record, started, last_seen, lease = row
    return WorkerView(worker=_decode(record), started=started, last_seen=last_seen, online=last_seen + lease > now)
