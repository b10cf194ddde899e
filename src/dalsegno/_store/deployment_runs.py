"""Runs of deployments: made from what the deployment says and what is asked for, and put into its queue."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from dalsegno._store import apply, pools, recovery, rows
from dalsegno._store.asked import check_priority
from dalsegno._store.connection import Connection
from dalsegno._store.parameter_checks import check_parameters
from dalsegno._store.statements import sharing
from dalsegno.exceptions import InvalidRequest, ObjectNotFound
from dalsegno.model.deployments import ClaimedDeployment, DeploymentRun, DeploymentSpec, RequestedRun
from dalsegno.model.ids import id_text, id_time, new_id
from dalsegno.model.records import EntryPoint, FlowDefinition, FlowRunSnapshot, pack_extra
from dalsegno.model.results import pack_plain
from dalsegno.model.states import STATE_CODES, StateType
from dalsegno.model.words import random_run_name

_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_MOST_PARAMETERS = 1 << 20
"""Bytes of JSON."""
_LATEST = 2**53
"""Microseconds since 1970: in the year 2255."""

_FIND = "SELECT spec, version_number, queue_id FROM deployment WHERE id = ?"
_TAKE_KEY = "INSERT INTO run_key (key, flow_run_id, deployment_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_HAS_KEY = """
    SELECT run.id, run.name FROM run_key JOIN flow_run AS run ON run.id = run_key.flow_run_id WHERE run_key.key = ?
"""
_REQUEST = """
    INSERT INTO run_request (flow_run_id, priority, on_crash, max_recoveries, recovery_delay, recoveries, attempt,
        holder, renewed, deployment_id, version_number, queue_id, concurrency_key, job_variables, schedule_id,
        parent_flow_run_id)
    VALUES (?, ?, ?, ?, ?, 0, 0, NULL, NULL, ?, ?, ?, ?, ?, ?, ?)
"""
_PLACEHOLDER = re.compile(r"\{\{\s*parameters\.(\w+)\s*\}\}")


def request(connection: Connection, asked: DeploymentRun, now: int) -> RequestedRun:
    """Make a run of a deployment that waits in its queue; by an idempotency key once.

    Raises ObjectNotFound, or InvalidRequest where the parameters do not fit or cannot be.
    """
    # Nobody deploys it elsewhere, or deletes it, before its run is there.
    row = connection.execute(sharing(connection, _FIND), (asked.deployment_id,)).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no deployment {id_text(asked.deployment_id)}.")
    spec = msgspec.msgpack.decode(row[0], type=DeploymentSpec)
    # All that may be wrong is looked at before the key is taken.
    parameters = _checked_parameters(asked, spec)
    priority = spec.priority if asked.priority is None else asked.priority
    check_priority(priority)
    due = now if asked.due is None else asked.due
    if not 0 <= due < _LATEST:
        raise InvalidRequest(f"A run cannot be due at {due}: that is microseconds since 1970.")
    queue = _queue(connection, asked, spec, row[2], now)
    id = new_id()
    if asked.idempotency_key is not None:
        key = hashlib.sha256(asked.deployment_id + asked.idempotency_key.encode()).digest()
        if not connection.execute(_TAKE_KEY, (key, id, asked.deployment_id)).rowcount:
            return _asked_before(connection, key)
    name = asked.name or random_run_name()
    _write_run(connection, asked, spec, id, name, parameters, due, now)
    connection.execute(
        _REQUEST,
        (id, priority, spec.on_crash, spec.max_recoveries, round(spec.recovery_delay * 1e6), asked.deployment_id,
         row[1], queue, _concurrency_key(asked, spec, parameters),
         msgspec.json.encode(asked.job_variables).decode() if asked.job_variables else None, asked.schedule_id,
         asked.parent_flow_run_id),
    )  # fmt: skip
    recovery.enqueue(connection, id, priority, due)
    return RequestedRun(flow_run_id=id, name=name, created=True)


def _checked_parameters(asked: DeploymentRun, spec: DeploymentSpec) -> dict[str, Any]:
    parameters = {**spec.parameters, **asked.parameters}
    if spec.enforce_parameter_schema:
        check_parameters(f"{spec.flow_name}/{spec.name}", spec.parameter_schema, parameters)
    size = len(msgspec.json.encode(parameters))
    if size > _MOST_PARAMETERS:
        raise InvalidRequest(
            f"The parameters of a run of '{spec.flow_name}/{spec.name}' are {size} bytes; "
            f"{_MOST_PARAMETERS} are the most. Hand over where the data is, rather than the data."
        )
    return parameters


def claimed(
    connection: Connection, flow_run_id: bytes, deployment_id: bytes, variables: str | None
) -> ClaimedDeployment | None:
    """Return what whoever executes a run has to know of its deployment; None: it was deleted.

    Its code is that of now, whatever it was when the run was asked for; of which version that is, is noted.
    """
    row = connection.execute(_FIND, (deployment_id,)).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE run_request SET version_number = ? WHERE flow_run_id = ?", (row[1], flow_run_id))
    spec = msgspec.msgpack.decode(row[0], type=DeploymentSpec)
    own: dict[str, Any] = {} if variables is None else msgspec.json.decode(variables)
    return ClaimedDeployment(
        id=deployment_id,
        name=spec.name,
        flow_name=spec.flow_name,
        version=spec.version,
        version_number=row[1],
        source=spec.source,
        job_variables={**spec.job_variables, **own},
        scheduled_time=_first_due(connection, flow_run_id),
    )


def _first_due(connection: Connection, flow_run_id: bytes) -> int | None:
    (states,) = connection.execute("SELECT states FROM flow_run WHERE id = ?", (flow_run_id,)).fetchone()
    for state in rows.read_history(states, id_time(flow_run_id)):
        if state.details is not None and "scheduled_time" in state.details:
            return state.details["scheduled_time"]
    return None


def _asked_before(connection: Connection, key: bytes) -> RequestedRun:
    row = connection.execute(_HAS_KEY, (key,)).fetchone()
    if row is None:
        raise ObjectNotFound("The run that was asked for with this idempotency key was deleted.")
    return RequestedRun(flow_run_id=row[0], name=row[1], created=False)


def _write_run(
    connection: Connection,
    asked: DeploymentRun,
    spec: DeploymentSpec,
    id: bytes,
    name: str,
    parameters: dict[str, Any],
    due: int,
    now: int,
) -> None:
    entry = (_SCHEDULED, now, None, None, {"scheduled_time": due})
    snapshot = FlowRunSnapshot(
        id=id,
        root_run_id=id,
        flow_id=_flow(spec).id,
        name=name,
        attempt=1,
        version=0,
        run_count=0,
        state_type=_SCHEDULED,
        state_name=None,
        states=recovery.aside(id, 1, entry, now),
        parameters=pack_plain(msgspec.msgpack.encode(parameters)),
        parameters_text=msgspec.json.encode(parameters).decode(),
        tags=tuple(dict.fromkeys([*spec.tags, *asked.tags])),
        entry=_entry(spec),
        extra=pack_extra({"named": asked.name is not None}),
    )
    apply.write_flow_run(connection, _flow(spec), snapshot)
    connection.execute("UPDATE flow_run SET deployment_id = ? WHERE id = ?", (asked.deployment_id, id))


def _flow(spec: DeploymentSpec) -> FlowDefinition:
    if spec.flow is not None:
        return spec.flow
    # Of a flow whose code was not loaded only the name is known: each run's own batch says the rest.
    digest = hashlib.sha256(f"deployed\0{spec.flow_name}".encode()).digest()
    return FlowDefinition(int.from_bytes(digest[:8], "big") >> 1, spec.flow_name, None, None, None)


def _entry(spec: DeploymentSpec) -> EntryPoint:
    source = spec.source
    return EntryPoint(
        entrypoint=source.entrypoint,
        working_directory=source.path or ".",
        interpreter=source.interpreter or "python",
        reason=None if source.entrypoint else "its deployment has no entry point",
    )


def _queue(
    connection: Connection, asked: DeploymentRun, spec: DeploymentSpec, queue: bytes | None, now: int
) -> bytes | None:
    if asked.work_queue_name is None:
        return queue
    if spec.work_pool_name is None:
        raise InvalidRequest(f"Deployment '{spec.flow_name}/{spec.name}' has no work pool, and so no work queues.")
    return pools.queue_id(connection, spec.work_pool_name, asked.work_queue_name, now, make=False)


def _concurrency_key(asked: DeploymentRun, spec: DeploymentSpec, parameters: dict[str, Any]) -> str | None:
    if asked.concurrency_key is not None or spec.concurrency_key is None:
        return asked.concurrency_key
    return _PLACEHOLDER.sub(lambda found: str(parameters.get(found[1], "")), spec.concurrency_key)
