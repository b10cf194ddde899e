"""Limits of concurrency: making, changing, listing and deleting them. Who gets their slots: `slots`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dalsegno._store.connection import Connection
from dalsegno._store.statements import locking
from dalsegno.exceptions import BackendError, ObjectAlreadyExists, ObjectNotFound
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.limits import LimitChange, LimitKind, LimitView, NewLimit, SlotHolderView

_INSERT = """
    INSERT INTO concurrency_limit (id, kind, name, slots, active, slot_decay, created, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_NAMED = """
    SELECT id, name, slots, active, slot_decay FROM concurrency_limit WHERE kind = ? AND name IN ({marks}) ORDER BY id
"""
_VIEW = """
    SELECT id, kind, name, slots, active, slot_decay,
        (SELECT coalesce(sum(slots), 0) FROM slot_holder WHERE limit_id = concurrency_limit.id),
        (SELECT count(*) FROM slot_waiter WHERE limit_id = concurrency_limit.id), created, updated
    FROM concurrency_limit
"""
_UPDATE = """
    UPDATE concurrency_limit SET slots = coalesce(?, slots), active = coalesce(?, active),
        slot_decay = coalesce(?, slot_decay), name = coalesce(?, name), updated = ?
    WHERE id = ?
"""
_HOLDERS = """
    SELECT id, key, slots, holder, process_id, root_run_id, task_run_id, acquired, renewed + lease
    FROM slot_holder WHERE limit_id = ? AND id > ? ORDER BY id LIMIT ?
"""
_OF_LIMIT = ("slot_holder", "slot_waiter", "slot_use")


class Limit(NamedTuple):
    """A limit, as far as it matters for who gets its slots."""

    id: bytes
    name: str
    slots: int
    active: int
    decay: float


def named(connection: Connection, kind: LimitKind, names: Sequence[str], *, lock: bool = False) -> list[Limit]:
    """Return the limits of these names that there are."""
    chosen = sorted(set(names))
    if not chosen:
        return []
    text = _NAMED.format(marks=",".join("?" * len(chosen)))
    rows = connection.execute(locking(connection, text) if lock else text, (kind, *chosen))
    return [Limit(*row) for row in rows.fetchall()]


def limited_tags(connection: Connection) -> list[str]:
    """Return the tags whose task runs are limited."""
    rows = connection.execute("SELECT name FROM concurrency_limit WHERE kind = 'tag' AND active = 1 ORDER BY name")
    return [row[0] for row in rows]


def make_on_use(connection: Connection, name: str, slots: int, now: int) -> Limit:
    """Return the global limit of a name, which is made if it is not there."""
    connection.execute(_INSERT, (new_id(), "global", name, slots, 1, 0.0, now, now))
    return named(connection, "global", [name], lock=True)[0]


def create(connection: Connection, new: NewLimit, now: int) -> LimitView:
    """Make a limit. Raises ObjectAlreadyExists."""
    _check(new.limit, new.slot_decay_per_second, new.name)
    id = new_id()
    row = (id, new.kind, new.name, new.limit, int(new.active), new.slot_decay_per_second, now, now)
    if not connection.execute(_INSERT, row).rowcount:
        raise ObjectAlreadyExists(f"There is a {new.kind} concurrency limit {new.name!r} already: update it instead.")
    return read(connection, id)


def read(connection: Connection, id: bytes) -> LimitView:
    """Return a limit. Raises ObjectNotFound."""
    row = connection.execute(f"{_VIEW} WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no concurrency limit {id_text(id)}.")
    return _view(row)


def find(connection: Connection, kind: LimitKind, name: str) -> LimitView | None:
    """Return the limit of a name."""
    row = connection.execute(f"{_VIEW} WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else _view(row)


def list_page(connection: Connection, kind: LimitKind, after: str | None, limit: int) -> list[LimitView]:
    """Return a page of limits by name."""
    text = f"{_VIEW} WHERE kind = ? AND name > ? ORDER BY name LIMIT ?"
    return [_view(row) for row in connection.execute(text, (kind, after or "", limit)).fetchall()]


def update(connection: Connection, id: bytes, change: LimitChange, now: int) -> LimitView:
    """Change a limit; those who hold more than a lower one allows keep what they have. Raises ObjectNotFound."""
    _check(change.limit, change.slot_decay_per_second, change.name)
    before = read(connection, id)
    other = None if change.name is None else find(connection, before.kind, change.name)
    if other is not None and other.id != id:
        raise ObjectAlreadyExists(f"There is a {before.kind} concurrency limit {change.name!r} already.")
    active = None if change.active is None else int(change.active)
    connection.execute(_UPDATE, (change.limit, active, change.slot_decay_per_second, change.name, now, id))
    return read(connection, id)


def delete(connection: Connection, id: bytes) -> bool:
    """Delete a limit, with all that is held of it. False: there is none."""
    for table in _OF_LIMIT:
        connection.execute(f"DELETE FROM {table} WHERE limit_id = ?", (id,))
    return connection.execute("DELETE FROM concurrency_limit WHERE id = ?", (id,)).rowcount > 0


def reset(connection: Connection, id: bytes) -> int:
    """Take all slots of a limit from those who hold them; return how many acquisitions those were."""
    connection.execute("DELETE FROM slot_use WHERE limit_id = ?", (id,))
    return connection.execute("DELETE FROM slot_holder WHERE limit_id = ?", (id,)).rowcount


def holders(connection: Connection, id: bytes, after: bytes | None, limit: int) -> list[SlotHolderView]:
    """Return a page of those who hold slots of a limit, the first that came first."""
    names = SlotHolderView.__struct_fields__
    rows = connection.execute(_HOLDERS, (id, after or b"", limit)).fetchall()
    return [SlotHolderView(**dict(zip(names, row, strict=True))) for row in rows]


def _check(slots: int | None, decay: float | None, name: str | None) -> None:
    if slots is not None and slots < 0:
        raise BackendError(f"A concurrency limit of {slots} slots cannot be: it has 0 or more.")
    if decay is not None and not 0 <= decay < 1e9:
        raise BackendError(f"A slot decay of {decay} a second cannot be: it is 0 or more.")
    if name is not None and not 0 < len(name) <= 255:
        raise BackendError("The name of a concurrency limit has 1 to 255 characters.")


def _view(row: tuple[Any, ...]) -> LimitView:
    id, kind, name, slots, active, decay, taken, waiting, created, updated = row
    return LimitView(
        id=id,
        kind=kind,
        name=name,
        limit=slots,
        active=bool(active),
        slot_decay_per_second=decay,
        active_slots=int(taken),
        waiting=waiting,
        created=created,
        updated=updated,
    )
