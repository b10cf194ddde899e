"""The flow run that is executed here; in a task it is that of the enclosing flow.

Attributes: `id`, `tags`, `scheduled_start_time`, `name`, `flow_name`, `flow_version`, `parameters`,
`parent_flow_run_id`, `parent_deployment_id`, `root_flow_run_id`, `run_count`, `api_url`, `ui_url`,
`job_variables`. Outside of runs ids and names are None, `tags` is [], `parameters` {}, `run_count` 0, and
`scheduled_start_time` the present.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dalsegno._engine.context import FlowRunContext
from dalsegno._engine.deployed import current_deployment
from dalsegno.model.ids import id_text
from dalsegno.runtime._attributes import Getters, read_attribute

if TYPE_CHECKING:
    from dalsegno._engine.runs import FlowRun

    id: str | None
    tags: list[str]
    scheduled_start_time: datetime
    name: str | None
    flow_name: str | None
    flow_version: str | None
    parameters: dict[str, Any]
    parent_flow_run_id: str | None
    parent_deployment_id: str | None
    root_flow_run_id: str | None
    run_count: int
    api_url: str | None
    ui_url: str | None
    job_variables: dict[str, Any] | None


def _run() -> FlowRun | None:
    scope = FlowRunContext.get()
    return None if scope is None else scope.flow_run


def _text(attribute: str) -> str | None:
    value = getattr(_run(), attribute, None)
    return None if value is None else str(value)


def _tags() -> list[str]:
    run = _run()
    return [] if run is None else run.tags


def _scheduled_start_time() -> datetime:
    run, scope, deployment = _run(), FlowRunContext.get(), current_deployment()
    if run is None:
        return datetime.now(UTC)
    if deployment is None or deployment.scheduled_time is None or scope is None or scope.parent is not None:
        return run.created
    return datetime.fromtimestamp(deployment.scheduled_time / 1e6, UTC)


def _parameters() -> dict[str, Any]:
    scope = FlowRunContext.get()
    return {} if scope is None else dict(scope.parameters)


def _run_count() -> int:
    run = _run()
    return 0 if run is None else run.run_count


def _parents_deployment_id() -> str | None:
    scope = FlowRunContext.get()
    deployment = current_deployment()
    return None if deployment is None or scope is None or scope.parent is None else id_text(deployment.id)


def _job_variables() -> dict[str, Any] | None:
    deployment = current_deployment()
    return None if deployment is None else dict(deployment.job_variables)


_GETTERS: Getters = {
    "id": lambda: _text("id"),
    "tags": _tags,
    "scheduled_start_time": _scheduled_start_time,
    "name": lambda: _text("name"),
    "flow_name": lambda: _text("flow_name"),
    "flow_version": lambda: _text("flow_version"),
    "parameters": _parameters,
    "parent_flow_run_id": lambda: _text("parent_flow_run_id"),
    "root_flow_run_id": lambda: _text("root_flow_run_id"),
    "run_count": _run_count,
    "parent_deployment_id": _parents_deployment_id,
    # A run knows no server.
    "api_url": lambda: None,
    "ui_url": lambda: None,
    "job_variables": _job_variables,
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return read_attribute(__name__, name, _GETTERS)


def __dir__() -> list[str]:
    return sorted(_GETTERS)
