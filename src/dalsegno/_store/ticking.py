"""What becomes of a schedule that is due: its run is queued and its next tick noted, in one transaction.

Any number of servers may do this at once: the row of the schedule is locked, and each run has a key of its tick.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from dalsegno import _scheduling as scheduling
from dalsegno._store import deployment_runs, deployments
from dalsegno._store.connection import Connection
from dalsegno._store.statements import locking
from dalsegno.exceptions import InvalidParameters, InvalidRequest, ObjectNotFound
from dalsegno.model.deployments import DeploymentRun
from dalsegno.model.ids import id_text
from dalsegno.model.schedules import ScheduleSpec

_MOST_RUNS = 100
"""Of one schedule at once."""

_DUE = "SELECT id FROM schedule WHERE next_tick <= ? ORDER BY next_tick LIMIT ?"
_READ = "SELECT deployment_id, spec, next_tick FROM schedule WHERE id = ?"


def due(connection: Connection, now: int, limit: int) -> list[bytes]:
    """Return the schedules that are due, the longest overdue first."""
    return [id for (id,) in connection.execute(_DUE, (now, limit)).fetchall()]


def next_due(connection: Connection) -> int | None:
    """Return when the next schedule is due."""
    return connection.execute("SELECT min(next_tick) FROM schedule WHERE next_tick IS NOT NULL").fetchone()[0]


def tick(connection: Connection, schedule_id: bytes, now: int) -> list[bytes]:
    """Queue the runs of a schedule that are due and note its next tick; return them."""
    row = connection.execute(locking(connection, _READ), (schedule_id,)).fetchone()
    if row is None or row[2] is None or row[2] > now:
        return []
    spec = msgspec.msgpack.decode(row[1], type=ScheduleSpec)
    ticks, after = scheduling.missed(spec, row[2], now, _MOST_RUNS)
    text = "UPDATE schedule SET next_tick = ? WHERE id = ?"
    connection.execute(text, (after, schedule_id))
    made: list[bytes] = []
    for each in ticks:
        try:
            asked = deployment_runs.request(connection, _wish(row[0], schedule_id, spec, each), now)
        except (InvalidParameters, InvalidRequest, ObjectNotFound) as error:
            # Parameters that do not fit any more would not fit at the next tick either: the deployment says it.
            deployments.note_problem(connection, row[0], f"Schedule {spec.slug or id_text(schedule_id)}: {error}")
            break
        made.append(asked.flow_run_id)
    return made


def stop(connection: Connection, schedule_id: bytes, why: str) -> None:
    """Have a schedule tick no more, until it is changed, and its deployment say why."""
    row = connection.execute(_READ, (schedule_id,)).fetchone()
    if row is not None:
        connection.execute("UPDATE schedule SET next_tick = NULL WHERE id = ?", (schedule_id,))
        told = f"Schedule {id_text(schedule_id)} was stopped: {why} Change it to have it tick again."
        deployments.note_problem(connection, row[0], told)


def _wish(deployment_id: bytes, schedule_id: bytes, spec: ScheduleSpec, tick: int) -> DeploymentRun:
    return DeploymentRun(
        deployment_id=deployment_id,
        parameters=spec.parameters,
        due=scheduling.jittered(spec, schedule_id, tick),
        tags=["auto-scheduled"],
        idempotency_key=f"schedule {id_text(schedule_id)} {datetime.fromtimestamp(tick / 1e6, UTC).isoformat()}",
        schedule_id=schedule_id,
    )
