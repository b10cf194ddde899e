"""The deployment that the flow run executed here belongs to; a flow that was called belongs to none.

Attributes: `id`, `name`, `version`, and of the run that was asked for `flow_run_id` and `parameters`. Without a
deployment they are None, and `parameters` {}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dalsegno._engine.context import FlowRunContext
from dalsegno._engine.deployed import current_deployment
from dalsegno.model.ids import id_text
from dalsegno.runtime._attributes import Getters, read_attribute

if TYPE_CHECKING:
    id: str | None
    flow_run_id: str | None
    name: str | None
    version: str | None
    parameters: dict[str, Any]


def _id() -> str | None:
    deployment = current_deployment()
    return None if deployment is None else id_text(deployment.id)


def _name() -> str | None:
    deployment = current_deployment()
    return None if deployment is None else deployment.name


def _version() -> str | None:
    deployment = current_deployment()
    return None if deployment is None else deployment.version


def _root() -> FlowRunContext | None:
    """Return the scope of the flow run that was asked for; None outside of runs of deployments."""
    scope = FlowRunContext.get() if current_deployment() is not None else None
    while scope is not None and scope.parent is not None:
        scope = scope.parent.flow_scope
    return scope


def _flow_run_id() -> str | None:
    scope = _root()
    return None if scope is None else str(scope.flow_run.id)


def _parameters() -> dict[str, Any]:
    scope = _root()
    return {} if scope is None else dict(scope.parameters)


_GETTERS: Getters = {
    "id": _id,
    "flow_run_id": _flow_run_id,
    "name": _name,
    "version": _version,
    "parameters": _parameters,
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return read_attribute(__name__, name, _GETTERS)


def __dir__() -> list[str]:
    return sorted(_GETTERS)
