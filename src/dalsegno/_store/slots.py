"""Slots of limits: taken in the order in which they were asked for, and freed with the lease that they belong to.

Whoever waits asks again and again. Asking is reading, unless something can be had or the place in the line is to be
kept, so that many who wait do not keep those who write from writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dalsegno._processes import is_alive
from dalsegno._store import leases, limits, processes
from dalsegno._store.connection import Connection, Database
from dalsegno._store.statements import in_chunks
from dalsegno.exceptions import ConcurrencySlotAcquisitionError
from dalsegno.model.limits import AcquireSlots, SlotAnswer

_PATIENCE = 15_000_000
"""Microseconds: who has not asked for so long does not wait any more."""
_KEEPS_PLACE = 4_000_000
"""... and who waits says so this often."""
_LONGEST_LEASE = 1e9
"""Seconds."""
_SHORTEST, _LONGEST = 0.05, 1.0
"""Seconds between two questions: longer the longer one has waited, and the more are ahead."""

_HOLDERS = """
    SELECT id, slots, process_id, renewed, lease FROM slot_holder WHERE limit_id = ? AND key = ?
"""
_WAITERS = """
    SELECT id, since, asked, process_id FROM slot_waiter WHERE limit_id = ? AND key = ? ORDER BY since, id
"""
_USED = "SELECT used, used_at FROM slot_use WHERE limit_id = ? AND key = ?"
_USE = """
    INSERT INTO slot_use (limit_id, key, used, used_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (limit_id, key) DO UPDATE SET used = excluded.used, used_at = excluded.used_at
"""
_HOLD = """
    INSERT INTO slot_holder
        (id, limit_id, key, slots, holder, process_id, root_run_id, task_run_id, acquired, renewed, lease)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_WAIT = """
    INSERT INTO slot_waiter (id, limit_id, key, since, asked, process_id) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id, limit_id) DO UPDATE SET asked = excluded.asked
"""
_HELD = """
    SELECT name FROM slot_holder JOIN concurrency_limit ON concurrency_limit.id = slot_holder.limit_id
    WHERE slot_holder.id = ?
"""
_TABLES = ("slot_holder", "slot_waiter")


class Line(NamedTuple):
    """How it stands with one limit (and key) for one who asks."""

    limit: limits.Limit
    used: float
    """By what decays."""
    free: float
    ahead: int
    since: int | None
    """Since when whoever asks waits here."""
    asked: int
    gone: list[bytes]
    """Acquisitions whose holders or waiters are not there any more."""


def acquire(database: Database, request: AcquireSlots, now: int) -> SlotAnswer:
    """Give slots to whoever asks, if they are free and nobody came earlier.

    Raises ConcurrencySlotAcquisitionError where asking again would be no use.
    """
    answer = database.read(lambda connection: _still_waits(connection, request, now))
    return answer or database.write(lambda connection: _acquire(connection, request, now), repeatable=not request.rate)


def release(connection: Connection, ids: Sequence[bytes]) -> None:
    """Give slots back, and leave the line."""
    for texts, chunk in in_chunks(ids):
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table} WHERE id IN ({texts})", chunk)


def renew(connection: Connection, ids: Sequence[bytes], now: int) -> list[bytes]:
    """Renew the leases of slots, and return those of the acquisitions that have lost theirs."""
    there: set[bytes] = set()
    for texts, chunk in in_chunks(ids):
        rows = connection.execute(f"SELECT id, process_id FROM slot_holder WHERE id IN ({texts})", chunk).fetchall()
        there.update(row[0] for row in rows)
        connection.execute(f"UPDATE slot_holder SET renewed = ? WHERE id IN ({texts})", (now, *chunk))
        for process_id in {row[1] for row in rows}:
            processes.touch(connection, process_id, now)
    return [id for id in ids if id not in there]


def free_of_process(connection: Connection, process_id: bytes) -> int:
    """Free all that a process holds that is gone."""
    return sum(
        connection.execute(f"DELETE FROM {table} WHERE process_id = ?", (process_id,)).rowcount for table in _TABLES
    )


def free_of_roots(connection: Connection, root_run_ids: Sequence[bytes]) -> int:
    """Free all that root runs hold that have ended."""
    return sum(
        connection.execute(f"DELETE FROM slot_holder WHERE root_run_id IN ({texts})", chunk).rowcount
        for texts, chunk in in_chunks(root_run_ids)
    )


def any_with_lease(connection: Connection) -> bool:
    """Tell whether there are slots whose own lease can end."""
    return connection.execute("SELECT 1 FROM slot_holder WHERE lease IS NOT NULL LIMIT 1").fetchone() is not None


def free_expired(connection: Connection, now: int) -> int:
    """Free slots whose own lease has ended; return how many acquisitions."""
    counted_from = leases.counted_from(connection, now)
    rows = connection.execute("SELECT id, renewed, lease FROM slot_holder WHERE lease IS NOT NULL").fetchall()
    ended = [id for id, renewed, lease in rows if leases.has_ended(renewed, lease, counted_from, now)]
    release(connection, ended)
    return len(ended)


def _still_waits(connection: Connection, request: AcquireSlots, now: int) -> SlotAnswer | None:
    """Return the answer if whoever asks waits already, and has to go on waiting."""
    lines = _lines(connection, request, limits.named(connection, request.kind, request.names), now)
    if not lines or any(line.since is None or now - line.asked > _KEEPS_PLACE for line in lines):
        return None
    return _refusal(lines, request, now)


def _acquire(connection: Connection, request: AcquireSlots, now: int) -> SlotAnswer:
    held = [row[0] for row in connection.execute(_HELD, (request.id,))]
    if held:
        return SlotAnswer(granted=True, held=held)
    # Their rows are locked: of two that ask for the same slots the second one sees what the first one took.
    found = limits.named(connection, request.kind, request.names, lock=True)
    found += _make_missing(connection, request, found, now)
    active = [limit for limit in found if limit.active]
    _check(active, request)
    lines = _lines(connection, request, active, now)
    for line in lines:
        release(connection, line.gone)
    processes.meet(connection, request.process, round((request.lease or 0) * 1e6) or leases.DEFAULT_LENGTH, now)
    refusal = _refusal(lines, request, now)
    if refusal is not None:
        for line in lines:
            since = now if line.since is None else line.since
            row = (request.id, line.limit.id, request.key, since, now, request.process.id)
            connection.execute(_WAIT, row)
        return refusal
    connection.execute("DELETE FROM slot_waiter WHERE id = ?", (request.id,))
    for line in lines:
        _take(connection, line, request, now)
    return SlotAnswer(granted=True, held=[line.limit.name for line in lines])


def _make_missing(
    connection: Connection, request: AcquireSlots, found: list[limits.Limit], now: int
) -> list[limits.Limit]:
    missing = set(request.names) - {limit.name for limit in found}
    if not missing:
        return []
    if request.limit is not None:
        return [limits.make_on_use(connection, name, request.limit, now) for name in sorted(missing)]
    if request.strict:
        names = ", ".join(repr(name) for name in sorted(missing))
        raise ConcurrencySlotAcquisitionError(
            f"There is no concurrency limit {names}. Create it with `dalsegno gcl create NAME --limit N`."
        )
    return []


def _check(active: list[limits.Limit], request: AcquireSlots) -> None:
    if request.slots < 1 or (request.lease is not None and not 0 < request.lease < _LONGEST_LEASE):
        raise ConcurrencySlotAcquisitionError(
            f"{request.slots} slots for {request.lease} seconds cannot be had: ask for one slot at least, and for "
            "more than no time."
        )
    for limit in active:
        if 0 < limit.slots < request.slots:
            raise ConcurrencySlotAcquisitionError(
                f"{request.slots} slots of {limit.name!r} can never be had: it has {limit.slots}."
            )
        if request.rate and not limit.decay:
            raise ConcurrencySlotAcquisitionError(
                f"The limit {limit.name!r} is none of a rate, since its slots do not come back by themselves. Set it "
                f"with `dalsegno gcl update {limit.name} --slot-decay-per-second N`."
            )


def _lines(connection: Connection, request: AcquireSlots, found: list[limits.Limit], now: int) -> list[Line]:
    counted_from = leases.counted_from(connection, now)
    return [_line(connection, request, limit, counted_from, now) for limit in found if limit.active]


def _line(connection: Connection, request: AcquireSlots, limit: limits.Limit, counted_from: int, now: int) -> Line:
    here = (limit.id, request.key)
    used = 0.0
    if limit.decay:
        row = connection.execute(_USED, here).fetchone()
        used = 0.0 if row is None else max(0.0, row[0] - limit.decay * (now - row[1]) / 1e6)
    free, gone = limit.slots - used, list[bytes]()
    holders = connection.execute(_HOLDERS, here).fetchall()
    # Only where something is missing is it worth looking whether all those processes are there.
    scarce = free - sum(row[1] for row in holders) < request.slots
    for id, slots, process_id, renewed, lease in holders:
        ended = lease is not None and leases.has_ended(renewed, lease, counted_from, now)
        if ended or (scarce and _is_gone(connection, process_id)):
            gone.append(id)
        else:
            free -= slots
    ahead, since, asked = 0, None, 0
    for id, began, last, process_id in connection.execute(_WAITERS, here).fetchall():
        if id == request.id:
            since, asked = began, last
            break
        if now - last > _PATIENCE or _is_gone(connection, process_id):
            gone.append(id)
        else:
            ahead += 1
    return Line(limit, used, free, ahead, since, asked, gone)


def _is_gone(connection: Connection, process_id: bytes) -> bool:
    seen = processes.find(connection, process_id)
    return seen is not None and is_alive(seen.process) is False


def _refusal(lines: list[Line], request: AcquireSlots, now: int) -> SlotAnswer | None:
    """Return the answer where slots are missing or others came earlier; None if all can be had."""
    for line in lines:
        # A hair less will do: the decay of a slot is computed, not counted.
        short = request.slots - line.free
        if line.ahead == 0 and short <= 1e-6:
            continue
        waited = 0.0 if line.since is None else (now - line.since) / 1e6
        pause = min(_LONGEST, max(_SHORTEST, waited / 20) * (1 + line.ahead))
        if line.limit.decay and short > 0:
            pause = max(_SHORTEST, min(short / line.limit.decay, pause if line.ahead else short / line.limit.decay))
        return SlotAnswer(granted=False, waits_for=line.limit.name, retry_after=pause)
    return None


def _take(connection: Connection, line: Line, request: AcquireSlots, now: int) -> None:
    if request.rate:
        connection.execute(_USE, (line.limit.id, request.key, line.used + request.slots, now))
        return
    row: tuple[Any, ...] = (
        request.id,
        line.limit.id,
        request.key,
        request.slots,
        request.holder,
        request.process.id,
        request.root_run_id,
        request.task_run_id,
        now,
        now,
        None if request.lease is None else round(request.lease * 1e6),
    )
    connection.execute(_HOLD, row)
