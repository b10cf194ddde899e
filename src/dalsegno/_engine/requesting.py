"""Asking for a run of a flow: its record, as the queue takes it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno._engine.clock import now
from dalsegno._engine.context import current_tags
from dalsegno._engine.runs import SCHEDULED, FlowRun
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.spec import FlowSpec
from dalsegno.model.ids import new_id
from dalsegno.model.queue import RequestRun


def request_run(
    backend: Backend,
    flow: FlowSpec,
    parameters: dict[str, Any],
    *,
    name: str | None = None,
    due: int | None = None,
    priority: int = 0,
    on_crash: Literal["resume", "fail"] = "resume",
    max_recoveries: int = 3,
    recovery_delay: float = 1.0,
) -> bytes:
    """Queue a new run of a flow, for whoever claims it; return its id.

    Raises ParameterTypeError if the parameters do not fit, and BackendUnavailable.
    """
    chosen = flow.plan.with_defaults(parameters)
    if flow.should_validate_parameters:
        chosen = flow.validated(chosen)
    session = Session(journal_for(backend), new_id())
    run = FlowRun(session.root_run_id, session, flow.definition, chosen)
    run.name = name or flow.name
    run.entry = flow.entry
    run.run_tags = current_tags()
    run.history.append((SCHEDULED, now()))
    run.parameters_text = flow.parameters_text(chosen)
    session.keeper.keep_parameters(run, chosen)
    # Large parameters travel as blobs: they are there before the run that refers to them.
    session.journal.barrier(durable=False)
    snapshot = msgspec.structs.replace(run.snapshot(0), process_id=None)
    backend.request_run(
        RequestRun(
            flow_run_id=run.id_bytes,
            due=due,
            priority=priority,
            on_crash=on_crash,
            max_recoveries=max_recoveries,
            recovery_delay=recovery_delay,
            snapshot=snapshot,
            flow=flow.definition,
        )
    )
    return run.id_bytes
