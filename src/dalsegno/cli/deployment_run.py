"""`dalsegno deployment run`: asks for a run of a deployment, and follows it if that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.deployment_tables import find, name_of
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import DeploymentTarget
from dalsegno.cli.parameters import Pairs, Whole, read_object
from dalsegno.cli.values import json_or_text
from dalsegno.model.deployments import DeploymentRun, DeploymentView
from dalsegno.model.ids import id_text


def run(
    name: DeploymentTarget,
    /,
    *,
    param: Pairs = None,
    params: Whole = None,
    job_variable: Annotated[
        list[str] | None, Parameter(name="--job-variable", help="A job variable as NAME=VALUE; may be repeated.")
    ] = None,
    flow_run_name: Annotated[str | None, Parameter(name="--flow-run-name", help="The run's name.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="A further tag; may be repeated.")] = None,
    start_in: Annotated[str | None, Parameter(name="--start-in", help="After so long: 90s, 30m, 2h, 7d.")] = None,
    start_at: Annotated[str | None, Parameter(name="--start-at", help="At a date or time, local.")] = None,
    priority: Annotated[int | None, Parameter(help="The higher goes first.", allow_leading_hyphen=True)] = None,
    idempotency_key: Annotated[
        str | None,
        Parameter(name="--idempotency-key", help="A second wish with it gives the first one's run."),
    ] = None,
    watch: Annotated[bool, Parameter(help="Follow the run to its end; the exit code is that of its outcome.")] = False,
) -> int:
    """Ask for a run of a deployment: it waits in its queue until somebody executes it."""
    backend = open_backend()
    found = find(backend, name)
    asked = DeploymentRun(
        deployment_id=found.id,
        parameters=parameters_for(found, param, params),
        job_variables=named_values(job_variable or []),
        name=flow_run_name,
        due=due(start_in, start_at, times.now()),
        tags=tag or [],
        idempotency_key=idempotency_key,
        priority=priority,
    )
    made = backend.request_deployment_run(asked)
    what = "waits" if made.created else "was asked for before"
    print(f"Run {made.name!r} of {name_of(found)!r} {what}: {id_text(made.flow_run_id)}", flush=True)
    if watch:
        from dalsegno.cli.flow_run_watch import watch as follow

        return follow(id_text(made.flow_run_id))
    for reason in backend.explain_wait(made.flow_run_id).reasons:
        print(f"  {reason}")
    return ExitCode.OK


def due(start_in: str | None, start_at: str | None, now: int) -> int | None:
    """Return when a run is due; None: now."""
    if start_in is not None and start_at is not None:
        raise CommandError("--start-in does not go with --start-at.")
    if start_in is not None:
        # What is so long ago, mirrored.
        return 2 * now - times.parse_since(start_in, now)
    return None if start_at is None else times.parse_since(start_at, now)


def parameters_for(deployment: DeploymentView, pairs: Sequence[str] | None, whole: str | None) -> dict[str, Any]:
    """Return parameters by name; the value of one that the schema calls a string is the text as it stands."""
    parameters = read_object(whole) if whole is not None else {}
    known = deployment.spec.parameter_schema.get("properties", {})
    texts = {name for name, rules in known.items() if rules.get("type") == "string"}
    return {**parameters, **named_values(pairs or [], texts)}


def named_values(pairs: Sequence[str], texts: set[str] | None = None) -> dict[str, Any]:
    """Return what NAME=VALUE pairs hold: JSON, or else text."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"{pair!r} names no value; write NAME=VALUE, as in day=2026-01-31.")
        values[name] = text if name in (texts or ()) else json_or_text(text)
    return values
