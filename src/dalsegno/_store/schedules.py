"""Schedules of deployments: making, changing and deleting them, and which are due. What a tick does: `ticking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno import _scheduling as scheduling
from dalsegno._store import merging
from dalsegno._store.connection import Connection
from dalsegno._store.merging import KnownSchedule
from dalsegno._store.statements import in_chunks
from dalsegno.exceptions import InvalidRequest, ObjectAlreadyExists, ObjectNotFound
from dalsegno.model.deployments import NewSchedule, ScheduleView
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.schedules import ScheduleSpec

_COLUMNS = "id, deployment_id, spec, next_tick, created, updated"
_INSERT = """
    INSERT INTO schedule (id, deployment_id, slug, spec, said, next_tick, created, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = "UPDATE schedule SET slug = ?, spec = ?, said = ?, next_tick = ?, updated = ? WHERE id = ?"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ScheduleSpec).decode


def checked(spec: ScheduleSpec) -> ScheduleSpec:
    """Return a schedule that can be. Raises InvalidRequest, which says what is wrong with it."""
    try:
        scheduling.check(spec)
    except scheduling.InvalidSchedule as error:
        raise InvalidRequest(str(error)) from error
    return spec


def of_deployments(connection: Connection, ids: Sequence[bytes]) -> dict[bytes, list[ScheduleView]]:
    """Return the schedules of deployments."""
    found: dict[bytes, list[ScheduleView]] = {id: [] for id in ids}
    for texts, chunk in in_chunks(list(ids)):
        text = f"SELECT {_COLUMNS} FROM schedule WHERE deployment_id IN ({texts}) ORDER BY deployment_id, id"
        for row in connection.execute(text, chunk).fetchall():
            found[row[1]].append(_view(row))
    return found


def read(connection: Connection, id: bytes) -> ScheduleView:
    """Return a schedule. Raises ObjectNotFound."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM schedule WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no schedule {id_text(id)}.")
    return _view(row)


def create(connection: Connection, new: NewSchedule, now: int) -> ScheduleView:
    """Make a schedule by hand. Raises ObjectNotFound, ObjectAlreadyExists, or InvalidRequest for one that cannot be."""
    paused = _paused(connection, new.deployment_id)
    spec = checked(new.spec)
    if new.replaces is not None:
        _drop_slug(connection, new.deployment_id, new.replaces)
    _check_slug(connection, new.deployment_id, spec.slug, None)
    return read(connection, _insert(connection, new.deployment_id, spec, None, paused, now))


def update(connection: Connection, id: bytes, spec: ScheduleSpec, now: int) -> ScheduleView:
    """Change a schedule by hand. Raises ObjectNotFound, or InvalidRequest for one that cannot be."""
    before = read(connection, id)
    checked(spec)
    _check_slug(connection, before.deployment_id, spec.slug, id)
    paused = _paused(connection, before.deployment_id)
    said = connection.execute("SELECT said FROM schedule WHERE id = ?", (id,)).fetchone()[0]
    tick = _next_tick(spec, paused, now, before)
    connection.execute(_UPDATE, (spec.slug, _encode(spec), said, tick, now, id))
    return read(connection, id)


def delete(connection: Connection, id: bytes) -> bool:
    """Delete a schedule. False: there is none."""
    return connection.execute("DELETE FROM schedule WHERE id = ?", (id,)).rowcount > 0


def deploy(
    connection: Connection, deployment_id: bytes, said: Sequence[ScheduleSpec] | None, paused: bool, now: int
) -> None:
    """Bring the schedules of a deployment to what its code says; None: it says nothing of them."""
    for spec in said or ():
        checked(spec)
    slugs = [spec.slug for spec in said or () if spec.slug is not None]
    twice = next((slug for slug in slugs if slugs.count(slug) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"Two schedules of one deployment have the slug {twice!r}.")
    if said is not None:
        merged = merging.merge_schedules(said, _known(connection, deployment_id))
        for each in merged.gone:
            delete(connection, each.id)
        for each, wanted, spec in merged.kept:
            tick = _next_tick(spec, paused, now, read(connection, each.id))
            connection.execute(_UPDATE, (spec.slug, _encode(spec), _encode(wanted), tick, now, each.id))
        for spec in merged.new:
            _insert(connection, deployment_id, spec, spec, paused, now)


def set_paused(connection: Connection, deployment_id: bytes, paused: bool, now: int) -> None:
    """Have the schedules of a deployment tick, or not: what is missed while they are paused is not caught up."""
    for schedule in of_deployments(connection, [deployment_id])[deployment_id]:
        tick = None if paused or not schedule.spec.active else scheduling.next_tick(schedule.spec, now)
        connection.execute("UPDATE schedule SET next_tick = ? WHERE id = ?", (tick, schedule.id))


def _next_tick(spec: ScheduleSpec, paused: bool, now: int, before: ScheduleView) -> int | None:
    if paused or not spec.active:
        return None
    if before.next_tick is not None and merging.same_rule(spec, before.spec):
        return before.next_tick
    return scheduling.next_tick(spec, now)


def _insert(
    connection: Connection,
    deployment_id: bytes,
    spec: ScheduleSpec,
    said: ScheduleSpec | None,
    paused: bool,
    now: int,
) -> bytes:
    id = new_id()
    tick = None if paused or not spec.active else scheduling.next_tick(spec, now)
    packed = None if said is None else _encode(said)
    connection.execute(_INSERT, (id, deployment_id, spec.slug, _encode(spec), packed, tick, now, now))
    return id


def _known(connection: Connection, deployment_id: bytes) -> list[KnownSchedule]:
    rows = connection.execute("SELECT id, said, spec FROM schedule WHERE deployment_id = ?", (deployment_id,))
    return [
        KnownSchedule(id, None if said is None else _decode(said), _decode(spec)) for id, said, spec in rows.fetchall()
    ]


def _paused(connection: Connection, deployment_id: bytes) -> bool:
    row = connection.execute("SELECT paused FROM deployment WHERE id = ?", (deployment_id,)).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no deployment {id_text(deployment_id)}.")
    return bool(row[0])


def _check_slug(connection: Connection, deployment_id: bytes, slug: str | None, own: bytes | None) -> None:
    if slug is None:
        return
    text = "SELECT id FROM schedule WHERE deployment_id = ? AND slug = ?"
    row = connection.execute(text, (deployment_id, slug)).fetchone()
    if row is not None and row[0] != own:
        raise ObjectAlreadyExists(f"The deployment has a schedule with the slug {slug!r} already.")


def _drop_slug(connection: Connection, deployment_id: bytes, slug: str) -> None:
    text = "DELETE FROM schedule WHERE deployment_id = ? AND slug = ?"
    if not connection.execute(text, (deployment_id, slug)).rowcount:
        raise ObjectNotFound(f"The deployment has no schedule with the slug {slug!r} that could be replaced.")


def _view(row: tuple[Any, ...]) -> ScheduleView:
    id, deployment_id, spec, next_tick, created, updated = row
    return ScheduleView(
        id=id,
        deployment_id=deployment_id,
        spec=_decode(spec),
        next_tick=next_tick,
        created=created,
        updated=updated,
    )
