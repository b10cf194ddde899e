"""Having a run of a deployment picked up where it stopped, by whoever executes the deployment's runs."""

from __future__ import annotations

from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import ObjectNotFound, StateConflict
from dalsegno.model.ids import id_text
from dalsegno.model.queue import RequestRun
from dalsegno.model.views import FlowRunView


def queue_again(backend: Backend, run: FlowRunView) -> bool:
    """Put a root run of a deployment into the queue again, as its deployment says now. False: it waits there already.

    Raises StateConflict for one that cannot be, and RunIsAlive while it is executed.
    """
    spec = backend.read_deployment(deployment_of(backend, run)).spec
    return backend.request_run(
        RequestRun(
            flow_run_id=run.id,
            priority=spec.priority,
            on_crash=spec.on_crash,
            max_recoveries=spec.max_recoveries,
            recovery_delay=spec.recovery_delay,
        )
    )


def deployment_of(backend: Backend, run: FlowRunView) -> bytes:
    """Return the deployment by which a run can be executed again. Raises StateConflict where there is none."""
    shown = f"Flow run {run.name!r} ({id_text(run.id)})"
    command = f"Where its code is, do: dalsegno flow-run retry {id_text(run.id)}"
    if run.deployment_id is None:
        raise StateConflict(
            f"{shown} was called in a script, not run from a deployment, so the server cannot execute it. {command}"
        )
    try:
        backend.read_deployment(run.deployment_id)
    except ObjectNotFound:
        raise StateConflict(f"{shown} is of a deployment that was deleted. {command} --here") from None
    return run.deployment_id
