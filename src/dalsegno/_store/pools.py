"""Work pools and their queues: making, changing, listing and deleting them. Who gets their runs: `claiming`."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store.asked import MOST, changed, check_name
from dalsegno._store.connection import Connection
from dalsegno._store.statements import locking
from dalsegno.exceptions import InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dalsegno.model.ids import new_id
from dalsegno.model.pools import DEFAULT_QUEUE, NewPool, NewQueue, PoolChange, PoolView, QueueChange, QueueView

COUNTED = 10_000
"""Waiting runs up to which they are counted."""

_INSERT_POOL = """
    INSERT INTO work_pool (id, name, type, description, base_job_template, concurrency_limit, paused, created, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_INSERT_QUEUE = """
    INSERT INTO work_queue (id, pool_id, name, description, priority, concurrency_limit, paused, created, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_POOL = """
    SELECT id, name, type, description, base_job_template, concurrency_limit, paused, created, updated,
        (SELECT count(*) FROM run_request JOIN work_queue ON work_queue.id = run_request.queue_id
            WHERE holder IS NOT NULL AND pool_id = work_pool.id),
        (SELECT count(*) FROM (SELECT 1 FROM ready JOIN work_queue ON work_queue.id = ready.queue_id
            WHERE pool_id = work_pool.id AND due <= ? LIMIT ?) AS waiting),
        (SELECT count(*) FROM worker WHERE pool_id = work_pool.id AND last_seen + lease > ?)
    FROM work_pool
"""
_QUEUE = """
    SELECT work_queue.id, work_pool.name, work_queue.name, work_queue.description, priority,
        work_queue.concurrency_limit, work_queue.paused,
        (SELECT count(*) FROM run_request WHERE holder IS NOT NULL AND queue_id = work_queue.id),
        (SELECT count(*) FROM (SELECT 1 FROM ready WHERE queue_id = work_queue.id AND due <= ? LIMIT ?) AS waiting),
        last_polled, work_queue.created, work_queue.updated
    FROM work_queue JOIN work_pool ON work_pool.id = work_queue.pool_id
"""


_USED = """
    SELECT 1 FROM ready WHERE queue_id IN (SELECT id FROM work_queue WHERE pool_id = ?)
    UNION ALL
    SELECT 1 FROM run_request WHERE holder IS NOT NULL AND queue_id IN (SELECT id FROM work_queue WHERE pool_id = ?)
    LIMIT 1
"""


def create_pool(connection: Connection, new: NewPool, now: int) -> PoolView:
    """Make a pool with its default queue. Raises ObjectAlreadyExists."""
    check_name("work pool", new.name)
    _check_limit(new.concurrency_limit)
    id = new_id()
    template = msgspec.json.encode(new.base_job_template).decode()
    row = (id, new.name, new.type, new.description, template, new.concurrency_limit, int(new.paused), now, now)
    if not connection.execute(_INSERT_POOL, row).rowcount:
        raise ObjectAlreadyExists(f"There is a work pool {new.name!r} already: update it instead.")
    connection.execute(_INSERT_QUEUE, (new_id(), id, DEFAULT_QUEUE, None, 1, None, 0, now, now))
    return read_pool(connection, new.name, now)


def find_pool(connection: Connection, name: str, now: int) -> PoolView | None:
    """Return the pool of a name."""
    row = connection.execute(f"{_POOL} WHERE name = ?", (now, COUNTED, now, name)).fetchone()
    return None if row is None else _pool(row)


def job_template(connection: Connection, name: str) -> dict[str, Any]:
    """Return the template of a pool; empty: it has none, or is not there."""
    row = connection.execute("SELECT base_job_template FROM work_pool WHERE name = ?", (name,)).fetchone()
    return {} if row is None else msgspec.json.decode(row[0])


def read_pool(connection: Connection, name: str, now: int) -> PoolView:
    """Return the pool of a name. Raises ObjectNotFound."""
    found = find_pool(connection, name, now)
    if found is None:
        raise ObjectNotFound(_no_pool(connection, name))
    return found


def list_pools(connection: Connection, after: str | None, limit: int, now: int) -> list[PoolView]:
    """Return a page of pools by name."""
    text = f"{_POOL} WHERE name > ? ORDER BY name LIMIT ?"
    return [_pool(row) for row in connection.execute(text, (now, COUNTED, now, after or "", limit)).fetchall()]


def update_pool(connection: Connection, name: str, change: PoolChange, now: int) -> PoolView:
    """Change a pool. Raises ObjectNotFound."""
    before = read_pool(connection, name, now)
    after = changed(before, change)
    _check_limit(after.concurrency_limit)
    connection.execute(
        "UPDATE work_pool SET description = ?, base_job_template = ?, concurrency_limit = ?, paused = ?, updated = ?"
        " WHERE id = ?",
        (
            after.description,
            msgspec.json.encode(after.base_job_template).decode(),
            after.concurrency_limit,
            int(after.paused),
            now,
            before.id,
        ),
    )
    return read_pool(connection, name, now)


def delete_pool(connection: Connection, name: str) -> bool:
    """Delete a pool with its queues. False: there is none. Raises InvalidRequest while deployments use it."""
    text = locking(connection, "SELECT id FROM work_pool WHERE name = ?")
    row = connection.execute(text, (name,)).fetchone()
    if row is None:
        return False
    _check_unused(connection, "pool_id = ?", row[0], f"work pool {name!r}")
    if connection.execute(_USED, (*row, *row)).fetchone() is not None:
        raise InvalidRequest(f"Runs of work pool {name!r} wait or are executed: cancel them, or wait for their end.")
    connection.execute("DELETE FROM work_queue WHERE pool_id = ?", row)
    connection.execute("DELETE FROM work_pool WHERE id = ?", row)
    return True


def create_queue(connection: Connection, new: NewQueue, now: int) -> QueueView:
    """Make a queue of a pool. Raises ObjectNotFound or ObjectAlreadyExists."""
    check_name("work queue", new.name)
    _check_limit(new.concurrency_limit)
    _check_priority(new.priority)
    pool = read_pool(connection, new.work_pool_name, now)
    row = (new_id(), pool.id, new.name, new.description, new.priority, new.concurrency_limit, int(new.paused), now, now)
    if not connection.execute(_INSERT_QUEUE, row).rowcount:
        raise ObjectAlreadyExists(f"Work pool {pool.name!r} has a queue {new.name!r} already: update it instead.")
    return read_queue(connection, pool.name, new.name, now)


def find_queue(connection: Connection, pool: str, name: str, now: int) -> QueueView | None:
    """Return a queue of a pool."""
    text = f"{_QUEUE} WHERE work_pool.name = ? AND work_queue.name = ?"
    row = connection.execute(text, (now, COUNTED, pool, name)).fetchone()
    return None if row is None else QueueView(**_queue(row))


def read_queue(connection: Connection, pool: str, name: str, now: int) -> QueueView:
    """Return a queue of a pool. Raises ObjectNotFound."""
    found = find_queue(connection, pool, name, now)
    if found is None:
        known = ", ".join(repr(queue.name) for queue in list_queues(connection, pool, now))
        raise ObjectNotFound(
            f"Work pool {pool!r} has no queue {name!r}. It has: {known}." if known else _no_pool(connection, pool)
        )
    return found


def list_queues(connection: Connection, pool: str | None, now: int) -> list[QueueView]:
    """Return the queues of a pool, or of all, in the order in which they are served."""
    where, values = ("", ()) if pool is None else ("WHERE work_pool.name = ?", (pool,))
    text = f"{_QUEUE} {where} ORDER BY work_pool.name, priority, work_queue.name LIMIT 1000"
    return [QueueView(**_queue(row)) for row in connection.execute(text, (now, COUNTED, *values)).fetchall()]


def update_queue(connection: Connection, pool: str, name: str, change: QueueChange, now: int) -> QueueView:
    """Change a queue. Raises ObjectNotFound."""
    before = read_queue(connection, pool, name, now)
    after = changed(before, change)
    _check_limit(after.concurrency_limit)
    _check_priority(after.priority)
    connection.execute(
        "UPDATE work_queue SET description = ?, priority = ?, concurrency_limit = ?, paused = ?, updated = ?"
        " WHERE id = ?",
        (after.description, after.priority, after.concurrency_limit, int(after.paused), now, before.id),
    )
    return read_queue(connection, pool, name, now)


def delete_queue(connection: Connection, pool: str, name: str, now: int) -> bool:
    """Delete a queue. False: there is none. Raises InvalidRequest while deployments use it, and for the default one."""
    found = find_queue(connection, pool, name, now)
    if found is None:
        return False
    if name == DEFAULT_QUEUE:
        raise InvalidRequest(f"Each work pool has a queue {DEFAULT_QUEUE!r}: delete the pool, or pause the queue.")
    _check_unused(connection, "work_queue.id = ?", found.id, f"queue {name!r} of work pool {pool!r}")
    # Runs that were asked for in it go on in the default one.
    default = read_queue(connection, pool, DEFAULT_QUEUE, now).id
    for table in ("ready", "run_request"):
        connection.execute(f"UPDATE {table} SET queue_id = ? WHERE queue_id = ?", (default, found.id))
    connection.execute("DELETE FROM work_queue WHERE id = ?", (found.id,))
    return True


def queue_id(connection: Connection, pool: str, queue: str | None, now: int, *, make: bool = True) -> bytes:
    """Return the id of a queue of a pool that must be there; a queue that is not is made. Raises ObjectNotFound."""
    name = queue or DEFAULT_QUEUE
    found = find_queue(connection, pool, name, now)
    if found is None and make:
        found = create_queue(connection, NewQueue(work_pool_name=pool, name=name), now)
    return read_queue(connection, pool, name, now).id if found is None else found.id


def _check_unused(connection: Connection, where: str, value: bytes, what: str) -> None:
    text = (
        "SELECT flow_name, deployment.name FROM deployment JOIN work_queue ON work_queue.id = deployment.queue_id"
        f" WHERE {where} LIMIT 1"
    )
    row = connection.execute(text, (value,)).fetchone()
    if row is not None:
        raise InvalidRequest(
            f"Deployment '{row[0]}/{row[1]}' uses the {what}: delete it, or deploy it elsewhere, first."
        )


def _check_limit(limit: int | None) -> None:
    if limit is not None and not 0 <= limit <= MOST:
        raise InvalidRequest(f"A concurrency limit of {limit} cannot be: it is 0 or more, and less than 2^31.")


def _check_priority(priority: int) -> None:
    if not 0 <= priority <= MOST:
        raise InvalidRequest(f"A queue's priority of {priority} cannot be: it is 0 or more, and less than 2^31.")


def _no_pool(connection: Connection, name: str) -> str:
    names = connection.execute("SELECT name FROM work_pool ORDER BY name LIMIT 20").fetchall()
    known = ", ".join(repr(each) for (each,) in names)
    return (
        f"There is no work pool {name!r}{f' (there are: {known})' if known else ''}. "
        f"`dalsegno work-pool create {name}` makes it."
    )


def _pool(row: tuple[Any, ...]) -> PoolView:
    id, name, type, description, template, limit, paused, created, updated, running, waiting, workers = row
    return PoolView(
        id=id,
        name=name,
        type=type,
        description=description,
        base_job_template=msgspec.json.decode(template),
        concurrency_limit=limit,
        paused=bool(paused),
        status="PAUSED" if paused else "READY" if workers else "NOT_READY",
        running=running,
        waiting=waiting,
        created=created,
        updated=updated,
    )


def _queue(row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("id", "work_pool_name", "name", "description", "priority", "concurrency_limit", "paused", "running",
             "waiting", "last_polled", "created", "updated")  # fmt: skip
    return {**dict(zip(names, row, strict=True)), "paused": bool(row[6])}
