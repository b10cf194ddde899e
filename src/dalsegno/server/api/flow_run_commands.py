"""What people do to one flow run: cancel, pause, resume, delete, retry, set its state."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, delete, post
from litestar.params import JSONBody

from dalsegno.model.pauses import ResumeRun
from dalsegno.model.resources.commands import (
    CancelledFlowRun,
    PausedFlowRun,
    ResumedFlowRun,
    ResumeFlowRun,
    SetFlowRunState,
)
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.server.api.flow_runs import find_flow_run
from dalsegno.server.asking import ask
from dalsegno.server.commands import Cancel, Command, Delete, Retry, to_command
from dalsegno.server.parameters import Id

_TAGS = ["Flow runs"]


@post("/api/flow-runs/{id:uuid}/cancel", operation_id="cancel_flow_run", tags=_TAGS, status_code=200)
async def cancel(request: Request[Any, Any, Any], id: Id) -> CancelledFlowRun:
    """Cancel a flow run: at once where nobody executes it; else it is asked to stop. A nested one with its root."""
    requested = await _perform(request, id, Cancel())
    return CancelledFlowRun(requested=requested, flow_run=await find_flow_run(request, id))


@post("/api/flow-runs/{id:uuid}/pause", operation_id="pause_flow_run", tags=_TAGS, status_code=200)
async def pause(request: Request[Any, Any, Any], id: Id) -> PausedFlowRun:
    """Have a flow run wait in its process before its next task, until it is resumed. A nested one with its root."""
    return await _pause(request, id, suspend=False)


@post("/api/flow-runs/{id:uuid}/suspend", operation_id="suspend_flow_run", tags=_TAGS, status_code=200)
async def suspend(request: Request[Any, Any, Any], id: Id) -> PausedFlowRun:
    """Have a flow run give its process back before its next task, until it is resumed; at once where it is queued."""
    return await _pause(request, id, suspend=True)


@post("/api/flow-runs/{id:uuid}/resume", operation_id="resume_flow_run", tags=_TAGS, status_code=200)
async def resume(request: Request[Any, Any, Any], id: Id, data: JSONBody[ResumeFlowRun]) -> ResumedFlowRun:
    """Have a flow run that waits go on, with the input that it asks for (`pauses` of the run tells which).

    One that sleeps without a process wakes.
    """
    given = None if data.input is None else msgspec.json.encode(data.input).decode()
    wanted = ResumeRun(flow_run_id=id.bytes, input=given, key=data.key)
    resumed = await ask(request, request.app.state.backend.resume_run, wanted)
    return ResumedFlowRun(how=resumed.how, flow_run=await find_flow_run(request, id))


async def _pause(request: Request[Any, Any, Any], id: uuid.UUID, *, suspend: bool) -> PausedFlowRun:
    requested = await ask(request, request.app.state.backend.request_pause, id.bytes, suspend)
    return PausedFlowRun(requested=requested, flow_run=await find_flow_run(request, id))


@delete("/api/flow-runs/{id:uuid}", operation_id="delete_flow_run", tags=_TAGS)
async def delete_flow_run(request: Request[Any, Any, Any], id: Id) -> None:
    """Delete a flow run that has ended, with all that belongs to it."""
    await _perform(request, id, Delete())


@post("/api/flow-runs/{id:uuid}/set-state", operation_id="set_flow_run_state", tags=_TAGS, status_code=200)
async def set_state(request: Request[Any, Any, Any], id: Id, data: JSONBody[SetFlowRunState]) -> FlowRun:
    """Put a flow run into a state that ends it. Whoever still executes it is told to stop, and nothing of it counts."""
    await _perform(request, id, to_command(data))
    return await find_flow_run(request, id)


@post("/api/flow-runs/{id:uuid}/retry", operation_id="retry_flow_run", tags=_TAGS, status_code=200)
async def retry(request: Request[Any, Any, Any], id: Id) -> FlowRun:
    """Have a flow run of a deployment picked up where it stopped: it waits in its queue. One that was called in a
    script is refused, with the command to do it there."""
    await _perform(request, id, Retry())
    return await find_flow_run(request, id)


async def _perform(request: Request[Any, Any, Any], id: uuid.UUID, command: Command) -> bool:
    return await ask(request, command.perform, request.app.state.backend, id.bytes)


routes = [cancel, pause, suspend, resume, delete_flow_run, set_state, retry]
