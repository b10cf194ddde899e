"""Deployments: deploying, changing, rolling back, listing and deleting them. Their runs: `deployment_runs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dalsegno._store import merging, pools, schedules, waiting_runs, workers
from dalsegno._store.asked import MOST, changed, check_name, check_priority
from dalsegno._store.connection import Connection
from dalsegno._store.statements import locking
from dalsegno.exceptions import InvalidRequest, ObjectNotFound
from dalsegno.model.deployments import (
    DeploymentChange,
    DeploymentFilter,
    DeploymentSpec,
    DeploymentStatus,
    DeploymentVersion,
    DeploymentView,
)
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.views import Page

_COLUMNS = "id, said, spec, version_number, queue_id, problem, created, updated"
_INSERT = """
    INSERT INTO deployment (id, flow_name, name, said, spec, version_number, queue_id, concurrency_limit,
        collision_strategy, start_rate, next_start, paused, problem, created, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, NULL, ?, ?) ON CONFLICT DO NOTHING
"""
_UPDATE = """
    UPDATE deployment SET said = ?, spec = ?, version_number = ?, queue_id = ?, concurrency_limit = ?,
        collision_strategy = ?, start_rate = ?, paused = ?, updated = ?
    WHERE id = ?
"""
_MOVE = "UPDATE {table} SET queue_id = ? WHERE deployment_id = ?"
_LATEST = "SELECT max(number) FROM deployment_version WHERE deployment_id = ?"
_KEEP_VERSION = "INSERT INTO deployment_version (deployment_id, number, said, created) VALUES (?, ?, ?, ?)"
_VERSIONS = "SELECT number, said, created FROM deployment_version WHERE deployment_id = ? ORDER BY number DESC LIMIT ?"
_ONLINE = """
    SELECT 1 FROM work_queue JOIN worker ON worker.pool_id = work_queue.pool_id
    WHERE work_queue.id = ? AND last_seen + lease > ? LIMIT 1
"""

_MOST_RECOVERIES = 10_000
_LONGEST_DELAY = 86_400.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeploymentSpec).decode


def apply(connection: Connection, said: DeploymentSpec, now: int) -> DeploymentView:
    """Deploy: make the deployment of this name, or bring it to what its code says now, but for what was changed by
    hand. Raises ObjectNotFound for a work pool that is not there, InvalidRequest for what cannot be."""
    _check(said)
    row = connection.execute(
        locking(connection, f"SELECT {_COLUMNS} FROM deployment WHERE flow_name = ? AND name = ?"),
        (said.flow_name, said.name),
    ).fetchone()
    if row is None:
        return _create(connection, said, now)
    id, before, spec, number = row[0], _decode(row[1]), _decode(row[2]), row[3]
    merged = merging.merge_deployment(said, before, spec)
    # Whoever ends serving a deployment pauses it: what is deployed is the same.
    if msgspec.structs.replace(said, paused=before.paused) != before:
        number = _keep_version(connection, id, said, now)
    _write(connection, id, said, merged, number, now)
    schedules.deploy(connection, id, said.schedules, merged.paused, now)
    if merged.paused != spec.paused:
        schedules.set_paused(connection, id, merged.paused, now)
    return read(connection, id, now)


def update(
    connection: Connection,
    id: bytes,
    change: DeploymentChange,
    now: int,
    check: Callable[[int], None] | None = None,
) -> DeploymentView:
    """Change a deployment by hand. Raises ObjectNotFound, InvalidRequest for what cannot be, or what `check` does,
    which is told when it was changed last.
    """
    said, spec, number, updated = _locked(connection, id)
    if check is not None:
        check(updated)
    # Each change has a time of its own, by which others see that there was one.
    now = max(now, updated + 1)
    wanted = changed(spec, change)
    _check(wanted)
    _write(connection, id, said, wanted, number, now)
    if wanted.paused != spec.paused:
        schedules.set_paused(connection, id, wanted.paused, now)
    return read(connection, id, now)


def roll_back(connection: Connection, id: bytes, number: int, now: int) -> DeploymentView:
    """Bring a deployment back to what was deployed as a version, as a new version. Raises ObjectNotFound."""
    text = "SELECT said FROM deployment_version WHERE deployment_id = ? AND number = ?"
    row = connection.execute(text, (id, number)).fetchone()
    if row is None:
        known = ", ".join(str(each.number) for each in versions(connection, id, 20))
        raise ObjectNotFound(f"Deployment {id_text(id)} has no version {number}. It has: {known or 'none'}.")
    return apply(connection, _decode(row[0]), now)


def versions(connection: Connection, id: bytes, limit: int) -> list[DeploymentVersion]:
    """Return what was deployed, the newest first."""
    rows = connection.execute(_VERSIONS, (id, limit)).fetchall()
    return [DeploymentVersion(number=number, spec=_decode(said), created=created) for number, said, created in rows]


def read(connection: Connection, id: bytes, now: int) -> DeploymentView:
    """Return a deployment. Raises ObjectNotFound."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM deployment WHERE id = ?", (id,)).fetchall()
    if not rows:
        raise ObjectNotFound(f"There is no deployment {id_text(id)}.")
    return _views(connection, rows, now)[0]


def find(connection: Connection, flow_name: str, name: str, now: int) -> DeploymentView | None:
    """Return the deployment of a name."""
    text = f"SELECT {_COLUMNS} FROM deployment WHERE flow_name = ? AND name = ?"
    rows = connection.execute(text, (flow_name, name)).fetchall()
    return _views(connection, rows, now)[0] if rows else None


def list_page(connection: Connection, filter: DeploymentFilter, page: Page, now: int) -> list[DeploymentView]:
    """Return a page of deployments, the newest first: there are few enough that a filter may look at all."""
    order, mark = ("id", ">") if page.oldest_first else ("id DESC", "<")
    found: list[DeploymentView] = []
    after = page.after
    while len(found) < page.limit:
        bound, values = ("", ()) if after is None else (f"WHERE id {mark} ?", (after,))
        rows = connection.execute(f"SELECT {_COLUMNS} FROM deployment {bound} ORDER BY {order} LIMIT 500", values)
        some = rows.fetchall()
        fitting = [row for row in some if _fits(filter, _decode(row[2]))]
        found += _views(connection, fitting[: page.limit - len(found)], now)
        if len(some) < 500:
            break
        after = some[-1][0]
    return found


def delete(connection: Connection, id: bytes, now: int) -> bool:
    """Delete a deployment; its runs stay, and those that wait do not start any more. False: there is none."""
    if connection.execute(locking(connection, "SELECT 1 FROM deployment WHERE id = ?"), (id,)).fetchone() is None:
        return False
    waiting_runs.cancel_of_deployment(connection, id, now)
    # What is executed now ends as it ends: there is nothing that it could be recovered by.
    connection.execute("UPDATE run_request SET on_crash = 'fail' WHERE deployment_id = ?", (id,))
    for table in ("schedule", "deployment_version", "run_key", "served_deployment"):
        connection.execute(f"DELETE FROM {table} WHERE deployment_id = ?", (id,))
    return connection.execute("DELETE FROM deployment WHERE id = ?", (id,)).rowcount > 0


def note_problem(connection: Connection, id: bytes, problem: str | None) -> None:
    """Note why the code of a deployment could not be loaded; None: it could."""
    text = "UPDATE deployment SET problem = ? WHERE id = ? AND coalesce(problem, '') <> ?"
    connection.execute(text, (problem, id, problem or ""))


def _create(connection: Connection, said: DeploymentSpec, now: int) -> DeploymentView:
    id = new_id()
    queue = _queue_of(connection, said, now)
    packed = _encode(said)
    made = connection.execute(
        _INSERT,
        (id, said.flow_name, said.name, packed, packed, 1, queue, said.concurrency_limit, said.collision_strategy,
         said.start_rate, int(said.paused), now, now),
    )  # fmt: skip
    if not made.rowcount:
        return apply(connection, said, now)  # another has just made it
    _keep_version(connection, id, said, now)
    schedules.deploy(connection, id, said.schedules, said.paused, now)
    return read(connection, id, now)


def _write(
    connection: Connection, id: bytes, said: DeploymentSpec, spec: DeploymentSpec, number: int, now: int
) -> None:
    queue = _queue_of(connection, spec, now)
    (before,) = connection.execute("SELECT queue_id FROM deployment WHERE id = ?", (id,)).fetchone()
    connection.execute(
        _UPDATE,
        (_encode(said), _encode(spec), number, queue, spec.concurrency_limit, spec.collision_strategy,
         spec.start_rate, int(spec.paused), now, id),
    )  # fmt: skip
    if queue != before:
        # What waits goes along.
        for table in ("ready", "run_request"):
            connection.execute(_MOVE.format(table=table), (queue, id))


def _keep_version(connection: Connection, id: bytes, said: DeploymentSpec, now: int) -> int:
    number = (connection.execute(_LATEST, (id,)).fetchone()[0] or 0) + 1
    connection.execute(_KEEP_VERSION, (id, number, _encode(said), now))
    return number


def _queue_of(connection: Connection, spec: DeploymentSpec, now: int) -> bytes | None:
    if spec.work_pool_name is None:
        return None
    return pools.queue_id(connection, spec.work_pool_name, spec.work_queue_name, now)


def _locked(connection: Connection, id: bytes) -> tuple[DeploymentSpec, DeploymentSpec, int, int]:
    text = "SELECT said, spec, version_number, updated FROM deployment WHERE id = ?"
    row = connection.execute(locking(connection, text), (id,)).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no deployment {id_text(id)}.")
    return _decode(row[0]), _decode(row[1]), row[2], row[3]


def _check(spec: DeploymentSpec) -> None:
    check_name("flow", spec.flow_name)
    check_name("deployment", spec.name)
    check_priority(spec.priority)
    if not 0 <= spec.max_recoveries <= _MOST_RECOVERIES:
        raise InvalidRequest(f"{spec.max_recoveries} recoveries cannot be: 0 to {_MOST_RECOVERIES}.")
    if not 0 <= spec.recovery_delay <= _LONGEST_DELAY:
        raise InvalidRequest(f"A recovery delay of {spec.recovery_delay} s cannot be: 0 to {_LONGEST_DELAY:g} s.")
    if spec.concurrency_limit is not None and spec.concurrency_limit > MOST:
        raise InvalidRequest(f"A concurrency limit of {spec.concurrency_limit} cannot be: leave it out for none.")
    if spec.concurrency_limit is not None and spec.concurrency_limit < 1:
        raise InvalidRequest(
            f"A concurrency limit of {spec.concurrency_limit} cannot be: pause the deployment instead."
        )
    if spec.concurrency_key is not None and spec.concurrency_limit is None:
        raise InvalidRequest("A concurrency key needs a concurrency limit, which then holds for each value of the key.")
    if spec.start_rate is not None and not 0 < spec.start_rate < 1e9:
        raise InvalidRequest(f"A start rate of {spec.start_rate} runs a minute cannot be: it is above 0.")
    if spec.work_queue_name is not None and spec.work_pool_name is None:
        raise InvalidRequest(f"The work queue {spec.work_queue_name!r} needs a work pool: name that too.")


def _fits(filter: DeploymentFilter, spec: DeploymentSpec) -> bool:
    return (
        (not filter.flow_names or spec.flow_name in filter.flow_names)
        and (not filter.names or spec.name in filter.names)
        and (filter.name_like is None or filter.name_like.lower() in f"{spec.flow_name}/{spec.name}".lower())
        and all(tag in spec.tags for tag in filter.tags)
        and (not filter.work_pool_names or spec.work_pool_name in filter.work_pool_names)
        and (filter.paused is None or spec.paused == filter.paused)
    )


def _views(connection: Connection, rows: Sequence[tuple[Any, ...]], now: int) -> list[DeploymentView]:
    of = schedules.of_deployments(connection, [row[0] for row in rows])
    return [_view(connection, row, of[row[0]], now) for row in rows]


def _view(connection: Connection, row: tuple[Any, ...], of: list[Any], now: int) -> DeploymentView:
    id, said, spec, number, queue, problem, created, updated = row
    now_is = _decode(spec)
    return DeploymentView(
        id=id,
        spec=now_is,
        version_number=number,
        schedules=of,
        status=_status(connection, id, queue, now),
        changed_by_hand=merging.changed_by_hand(_decode(said), now_is),
        problem=problem,
        created=created,
        updated=updated,
    )


def _status(connection: Connection, id: bytes, queue: bytes | None, now: int) -> DeploymentStatus:
    if queue is None:
        return "READY" if workers.any_serves(connection, id, now) else "NOT_READY"
    return "READY" if connection.execute(_ONLINE, (queue, now)).fetchone() else "NOT_READY"
