"""Runs of deployments: asking for one, why one waits, and which goes first."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post, put
from litestar.params import JSONBody

from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import StateConflict
from dalsegno.model.resources.deployments import CreatedFlowRun, DeploymentFlowRunNew, from_new_run
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.model.resources.values import to_id
from dalsegno.model.resources.work_queues import NewPriority, WaitReasons
from dalsegno.server.api.flow_runs import find_flow_run
from dalsegno.server.asking import ask
from dalsegno.server.packing import check_packable
from dalsegno.server.parameters import Id

_Any = Request[Any, Any, Any]


@post("/api/deployments/{id:uuid}/create-flow-run", operation_id="create_flow_run", tags=["Deployments"])
async def create_flow_run(request: _Any, id: Id, data: JSONBody[DeploymentFlowRunNew]) -> Response[CreatedFlowRun]:
    """Ask for a run of a deployment: it waits in its queue until somebody executes it."""
    check_packable(data)
    made = await ask(request, _backend(request).request_deployment_run, from_new_run(id, data))
    run = await find_flow_run(request, to_id(made.flow_run_id))
    answer = CreatedFlowRun(created=made.created, flow_run=run)
    return Response(answer, status_code=201 if made.created else 200)


@get("/api/flow-runs/{id:uuid}/wait-reasons", operation_id="explain_wait", tags=["Flow runs"])
async def explain_wait(request: _Any, id: Id) -> WaitReasons:
    """Say why a flow run waits, the most important reason first."""
    await find_flow_run(request, id)
    wait = await ask(request, _backend(request).explain_wait, id.bytes)
    return WaitReasons(reasons=wait.reasons)


@put("/api/flow-runs/{id:uuid}/priority", operation_id="set_flow_run_priority", tags=["Flow runs"], status_code=200)
async def set_priority(request: _Any, id: Id, data: JSONBody[NewPriority]) -> FlowRun:
    """Change the priority of a flow run that waits in the queue."""
    run = await find_flow_run(request, id)
    if not await ask(request, _backend(request).set_priority, id.bytes, data.priority):
        raise StateConflict(f"Flow run {run.name!r} ({id}) does not wait in the queue: it is {run.state.name}.")
    return await find_flow_run(request, id)


def _backend(request: _Any) -> StoreBackend:
    return request.app.state.backend


routes = [create_flow_run, explain_wait, set_priority]
