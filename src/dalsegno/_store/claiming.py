"""Which of the runs that wait are handed out next.

The order: queues by their priority, then runs by theirs, then the earliest, and among runs of one priority those of the
concurrency key of which the fewest run. None goes beyond the limits of its pool, queue, deployment and key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from dalsegno._store import attempts
from dalsegno._store.connection import Connection
from dalsegno._store.statements import locking, skipping
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.queue import ClaimRuns

Group: TypeAlias = tuple[bytes, str]
"""What a deployment's limit holds for: it, and a concurrency key ("": none)."""

_WINDOW = 100
_MOST_WINDOWS = 200
_MOST_GROUPS = 10_000
_MINUTE = 60_000_000

_NEXT = "SELECT flow_run_id FROM ready WHERE {which} ORDER BY priority DESC, due, flow_run_id LIMIT ?"
_TAKE = """
    DELETE FROM ready WHERE flow_run_id IN (
        {chosen})
    RETURNING flow_run_id, priority, due
"""
_TAKE_THESE = "DELETE FROM ready WHERE flow_run_id = ? RETURNING flow_run_id, priority, due"
_CANDIDATES = """
    SELECT flow_run_id, priority, deployment_id, coalesce(concurrency_key, '') FROM ready
    WHERE {which} ORDER BY priority DESC, due, flow_run_id LIMIT ?
"""
_QUEUES = """
    SELECT work_queue.id, work_queue.name, work_queue.concurrency_limit, work_queue.paused, work_pool.id,
        work_pool.concurrency_limit, work_pool.paused
    FROM work_queue JOIN work_pool ON work_pool.id = work_queue.pool_id WHERE work_pool.name = ?
    ORDER BY work_queue.priority, work_queue.name
"""
_HELD_IN_POOL = """
    SELECT count(*) FROM run_request WHERE holder IS NOT NULL
        AND queue_id IN (SELECT id FROM work_queue WHERE pool_id = ?)
"""
_HELD_IN_QUEUE = "SELECT count(*) FROM run_request WHERE holder IS NOT NULL AND queue_id = ?"
# Of all deployments only those of which something waits: there may be thousands of others.
_LIMITED = """
    SELECT id, concurrency_limit, collision_strategy, start_rate, next_start FROM deployment
    WHERE (concurrency_limit IS NOT NULL OR start_rate IS NOT NULL)
        AND EXISTS (SELECT 1 FROM ready WHERE ready.deployment_id = deployment.id AND {which})
    ORDER BY id
"""
_RUNNING = """
    SELECT deployment_id, coalesce(concurrency_key, ''), count(*) FROM run_request
    WHERE holder IS NOT NULL AND deployment_id IS NOT NULL
        AND EXISTS (SELECT 1 FROM ready WHERE ready.deployment_id = run_request.deployment_id AND {which})
    GROUP BY 1, 2
"""
_BEING_CANCELLED = """
    SELECT 1 FROM run_request AS request JOIN flow_run AS run ON run.id = request.flow_run_id
    WHERE request.holder IS NOT NULL AND request.deployment_id = ? AND coalesce(request.concurrency_key, '') = ?
        AND run.cancel_requested IS NOT NULL
    LIMIT 1
"""
_OLDEST = """
    SELECT run.id FROM run_request AS request JOIN flow_run AS run ON run.id = request.flow_run_id
    WHERE request.holder IS NOT NULL AND request.deployment_id = ? AND coalesce(request.concurrency_key, '') = ?
        AND run.cancel_requested IS NULL
    ORDER BY run.id LIMIT 1
"""

Taken: TypeAlias = tuple[bytes, int, int]
"""A flow run's id, its priority, and since when it is due."""


class _Limited(NamedTuple):
    limit: int | None
    strategy: str
    rate: float | None
    next_start: int | None


def take(connection: Connection, asked: ClaimRuns, most: int, now: int) -> list[Taken]:
    """Take the most urgent runs that may start out of the queue, at most so many. Raises ObjectNotFound."""
    if most <= 0:
        return []
    if asked.only:
        return _take(connection, f"flow_run_id IN ({','.join('?' * len(asked.only))})", asked.only, most)
    if asked.pool is not None:
        return _from_pool(connection, asked.pool, asked.queues, most, now)
    which, values = outside_pools(asked)
    if asked.deployments:
        return _Round(connection, which, values, now).take(most)
    return _take(connection, f"{which} AND due <= ?", [*values, now], most)


def outside_pools(asked: ClaimRuns) -> tuple[str, list[Any]]:
    """Return which runs a claim without a pool is for, as a condition with its values."""
    if asked.deployments:
        return f"queue_id IS NULL AND deployment_id IN ({','.join('?' * len(asked.deployments))})", [*asked.deployments]
    return "queue_id IS NULL AND deployment_id IS NULL", []


def _from_pool(connection: Connection, pool: str, names: Sequence[str], most: int, now: int) -> list[Taken]:
    rows = connection.execute(_QUEUES, (pool,)).fetchall()
    if not rows:
        raise ObjectNotFound(f"There is no work pool {pool!r}. `dalsegno work-pool create {pool}` makes it.")
    pool_id, pool_limit, pool_paused = rows[0][4:]
    if pool_paused:
        return []
    if pool_limit is not None:
        # Whoever claims in a pool with a limit does it alone.
        connection.execute(locking(connection, "SELECT 1 FROM work_pool WHERE id = ?"), (pool_id,))
        most = min(most, pool_limit - connection.execute(_HELD_IN_POOL, (pool_id,)).fetchone()[0])
    taken: list[Taken] = []
    for id, name, limit, paused, *_ in rows:
        room = most - len(taken)
        if room <= 0:
            break
        if paused or (names and name not in names):
            continue
        if limit is not None:
            connection.execute(locking(connection, "SELECT 1 FROM work_queue WHERE id = ?"), (id,))
            room = min(room, limit - connection.execute(_HELD_IN_QUEUE, (id,)).fetchone()[0])
        if room > 0:
            taken += _Round(connection, "queue_id = ?", [id], now).take(room)
    return taken


def _take(connection: Connection, which: str, values: Sequence[Any], most: int) -> list[Taken]:
    chosen = skipping(connection, _NEXT.format(which=which))
    return connection.execute(_TAKE.format(chosen=chosen), (*values, most)).fetchall()


class _Round:
    """One claim among the runs that some condition names."""

    def __init__(self, connection: Connection, which: str, values: list[Any], now: int) -> None:
        self.connection = connection
        self.values = [*values, now]
        """Of what the condition leaves open."""
        self.now = now
        self._which = f"{which} AND due <= ?"

    def take(self, most: int) -> list[Taken]:
        """Take runs out of the queue."""
        connection = self.connection
        limited = connection.execute(f"{self.text(_LIMITED)} LIMIT 1", self.values).fetchone() is not None
        keyed = f"SELECT 1 FROM ready WHERE {self._which} AND concurrency_key IS NOT NULL LIMIT 1"
        if not limited and connection.execute(keyed, self.values).fetchone() is None:
            return _take(connection, self._which, self.values, most)
        return _Choice(self, most).taken()

    def text(self, statement: str) -> str:
        """Return a statement about the runs of this round."""
        return statement.format(which=self._which)

    def candidates(self, priority: int | None, excluded: Sequence[Group | bytes], most: int) -> list[Any]:
        """Return the next runs, of a priority, that are of none of these groups or deployments."""
        which, values = self._which, list(self.values)
        if priority is not None:
            which, values = f"{which} AND priority = ?", [*values, priority]
        groups = [each for each in excluded if isinstance(each, tuple)]
        if groups:
            listed, more = _listed(self.connection, groups)
            which += f" AND (deployment_id IS NULL OR (deployment_id, coalesce(concurrency_key, '')) NOT IN ({listed}))"
            values += more
        deployments = [each for each in excluded if isinstance(each, bytes)]
        if deployments:
            which += f" AND (deployment_id IS NULL OR deployment_id NOT IN ({','.join('?' * len(deployments))}))"
            values += deployments
        text = skipping(self.connection, _CANDIDATES.format(which=which))
        return self.connection.execute(text, (*values, most)).fetchall()


def _listed(connection: Connection, groups: Sequence[Group]) -> tuple[str, list[Any]]:
    """Return a list of groups as SQL, with its values: of any length, which a chain of conditions could not have."""
    if connection.dialect == "postgresql":
        ids, keys = zip(*groups, strict=True)
        return "SELECT * FROM unnest(?::bytea[], ?::text[])", [list(ids), list(keys)]
    chosen = groups[:_MOST_GROUPS]
    return f"VALUES {','.join(['(?,?)'] * len(chosen))}", [value for group in chosen for value in group]


class _Choice:
    """Runs that are chosen where deployments have limits, or runs have keys."""

    def __init__(self, round: _Round, most: int) -> None:
        self._round = round
        self._most = most
        self._chosen: list[bytes] = []
        self._full: dict[Group | bytes, None] = {}
        self._ended: set[bytes] = set()
        # Whoever claims runs of deployments with limits does it alone.
        text = locking(round.connection, round.text(_LIMITED))
        rows = round.connection.execute(text, round.values).fetchall()
        self._limited = {row[0]: _Limited(*row[1:]) for row in rows}
        rows = round.connection.execute(round.text(_RUNNING), round.values).fetchall()
        self._running: Counter[Group] = Counter({(id, key): count for id, key, count in rows})

    def taken(self) -> list[Taken]:
        """Choose, and take what was chosen out of the queue."""
        for _ in range(_MOST_WINDOWS):
            if len(self._chosen) >= self._most or not self._choose_some():
                break
        connection = self._round.connection
        found = [connection.execute(_TAKE_THESE, (id,)).fetchone() for id in self._chosen]
        return [row for row in found if row is not None]

    def _choose_some(self) -> bool:
        """Look at runs of the highest priority, those first of whose key the fewest run. False: there is nothing."""
        first = self._look(None, [])
        if not first:
            return False
        priority = first[0][1]
        for most in sorted({0, *(count for group, count in self._running.items() if group[1])}):
            rows = self._look(priority, [g for g, count in self._running.items() if g[1] and count > most])
            if rows:
                self._choose(rows, most)
                return True
        return False

    def _look(self, priority: int | None, busy: Sequence[Group]) -> list[Any]:
        done = len(self._chosen) + len(self._ended)
        rows = self._round.candidates(priority, [*self._full, *busy], _WINDOW + done)
        skip = {*self._chosen, *self._ended}
        return [row for row in rows if row[0] not in skip]

    def _choose(self, rows: Sequence[Any], most_running: int) -> None:
        """Choose from a window: of a key only while no more of it run than of those that come first."""
        for id, _, deployment, key in rows:
            if len(self._chosen) >= self._most:
                return
            if deployment is None:
                self._chosen.append(id)
                continue
            group = (deployment, key)
            if group in self._full or deployment in self._full:
                continue
            if key and self._running[group] > most_running:
                continue
            if self._may_start(id, group):
                self._chosen.append(id)
                self._running[group] += 1

    def _may_start(self, id: bytes, group: Group) -> bool:
        limits = self._limited.get(group[0])
        if limits is None:
            return True
        if limits.next_start is not None and limits.rate is not None and limits.next_start > self._round.now:
            self._full[group[0]] = None
            return False
        if limits.limit is not None and self._running[group] >= limits.limit:
            self._collide(id, group, limits)
            return False
        if limits.rate is not None:
            self._note_start(group[0], limits, limits.rate)
        return True

    def _collide(self, id: bytes, group: Group, limits: _Limited) -> None:
        connection, now = self._round.connection, self._round.now
        if limits.strategy == "CANCEL_NEW":
            self._ended.add(id)
            message = f"Its deployment was at its limit of {limits.limit}, and cancels what comes then."
            attempts.cancel_idle(connection, id, message, now)
            return
        if limits.strategy == "CANCEL_RUNNING":
            oldest = connection.execute(_OLDEST, group).fetchone()
            # One at a time: it takes a while to end, and other claims come meanwhile.
            if oldest is not None and connection.execute(_BEING_CANCELLED, group).fetchone() is None:
                attempts.request_cancel(connection, oldest[0], now)
        self._full[group] = None

    def _note_start(self, deployment: bytes, limits: _Limited, rate: float) -> None:
        after = self._round.now + round(_MINUTE / rate)
        self._round.connection.execute("UPDATE deployment SET next_start = ? WHERE id = ?", (after, deployment))
        self._limited[deployment] = limits._replace(next_start=after)
