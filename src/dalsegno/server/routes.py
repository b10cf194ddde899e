"""Every route of the server: who may use it, and how it may answer. One table, which tests walk.

A route that is not here is refused, so that none is ever open by mistake.
"""

from __future__ import annotations

import msgspec

from dalsegno._backend.operations import PATH, RESULTS_PATH
from dalsegno.model.roles import Role


class Route(msgspec.Struct, frozen=True):
    """One route."""

    method: str
    path: str
    """As the application declares it: ``"/api/flow-runs/{id:str}"``."""
    role: Role | None
    """The lowest role that may use it; None: everybody, without login."""
    statuses: frozenset[int]
    """The answers that it may give."""


def _route(method: str, path: str, role: Role | None, *statuses: int) -> Route:
    return Route(method, path, role, frozenset(statuses))


_FLOW_RUN = "/api/flow-runs/{id:uuid}"
_TASK_RUN = "/api/task-runs/{id:uuid}"
# 400: what cannot be read at all; 422: what reads but is not valid; 503: the database does not answer.
_READING: tuple[Route, ...] = (
    _route("GET", "/api/docs", Role.VIEWER, 200),
    _route("GET", "/api/docs/openapi.json", Role.VIEWER, 200),
    _route("GET", "/api/docs/{path:str}", Role.VIEWER, 200, 404),
    _route("GET", "/api/docs/reference.js", Role.VIEWER, 200),
    _route("GET", "/api/docs/reference.css", Role.VIEWER, 200),
    _route("GET", "/api/flow-runs", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/flow-runs/filter", Role.VIEWER, 200, 400, 413, 415, 422, 503),
    _route("GET", "/api/flow-runs/count", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/flow-runs/count", Role.VIEWER, 200, 400, 413, 415, 422, 503),
    _route("GET", "/api/flow-runs/history", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", _FLOW_RUN, Role.VIEWER, 200, 400, 404, 503),
    _route("GET", _FLOW_RUN + "/graph", Role.VIEWER, 200, 400, 404, 422, 503),
    _route("GET", _FLOW_RUN + "/logs/download", Role.VIEWER, 200, 400, 404, 503),
    _route("GET", "/api/task-runs", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/task-runs/filter", Role.VIEWER, 200, 400, 413, 415, 422, 503),
    _route("GET", "/api/task-runs/count", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/task-runs/count", Role.VIEWER, 200, 400, 413, 415, 422, 503),
    _route("GET", _TASK_RUN, Role.VIEWER, 200, 400, 404, 503),
    _route("GET", "/api/flows", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", "/api/flows/{name:str}", Role.VIEWER, 200, 400, 404, 503),
    _route("GET", "/api/logs", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", "/api/artifacts", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", "/api/artifacts/latest", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", "/api/artifacts/{id:uuid}", Role.VIEWER, 200, 400, 404, 503),
    _route("GET", "/api/variables", Role.VIEWER, 200, 400, 422, 503),
    _route("GET", "/api/variables/{name:str}", Role.VIEWER, 200, 400, 404, 503),
)
_COMMANDS: tuple[Route, ...] = (
    _route("POST", _FLOW_RUN + "/cancel", Role.OPERATOR, 200, 400, 404, 409, 413, 503),
    _route("DELETE", _FLOW_RUN, Role.OPERATOR, 204, 400, 404, 409, 413, 503),
    _route("POST", _FLOW_RUN + "/set-state", Role.OPERATOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("POST", _FLOW_RUN + "/retry", Role.OPERATOR, 200, 400, 404, 409, 413, 503),
    _route("POST", _TASK_RUN + "/set-result", Role.OPERATOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("POST", "/api/flow-runs/bulk/cancel", Role.OPERATOR, 200, 400, 413, 415, 422, 503),
    _route("POST", "/api/flow-runs/bulk/delete", Role.OPERATOR, 200, 400, 413, 415, 422, 503),
    _route("POST", "/api/flow-runs/bulk/set-state", Role.OPERATOR, 200, 400, 413, 415, 422, 503),
    _route("POST", "/api/flow-runs/bulk/retry", Role.OPERATOR, 200, 400, 413, 415, 422, 503),
    _route("PATCH", "/api/artifacts/{id:uuid}", Role.OPERATOR, 200, 400, 404, 412, 413, 415, 422, 503),
)
_VARIABLES: tuple[Route, ...] = (
    _route("PUT", "/api/variables/{name:str}", Role.EDITOR, 200, 201, 400, 412, 413, 415, 422, 503),
    _route("DELETE", "/api/variables/{name:str}", Role.EDITOR, 204, 400, 404, 412, 413, 422, 503),
)

ROUTES: tuple[Route, ...] = (
    _route("GET", "/", Role.VIEWER, 200),
    _route("GET", "/api/health", None, 200),
    _route("GET", "/api/ready", None, 200, 503),
    _route("GET", "/api/version", None, 200),
    _route("GET", "/api/services", Role.VIEWER, 200, 503),
    _route("GET", "/api/concurrency-limits", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/concurrency-limits", Role.EDITOR, 201, 400, 409, 413, 415, 422, 503),
    _route("GET", "/api/concurrency-limits/{id:uuid}", Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("DELETE", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 204, 400, 404, 503),
    _route("POST", "/api/concurrency-limits/{id:uuid}/reset", Role.OPERATOR, 200, 400, 404, 503),
    _route("GET", "/api/concurrency-limits/{id:uuid}/holders", Role.VIEWER, 200, 400, 404, 422, 503),
    _route("GET", "/api/live", Role.VIEWER, 200, 400),
    *_READING,
    *_COMMANDS,
    *_VARIABLES,
    _route("PUT", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 413, 503),
    _route("GET", RESULTS_PATH + "{name:path}", Role.VIEWER, 200, 400, 404, 503),
    _route("HEAD", RESULTS_PATH + "{name:path}", Role.VIEWER, 204, 400, 404, 503),
    _route("DELETE", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 404, 503),
    # Which role an operation needs stands beside its signature.
    _route("POST", PATH + "{operation:str}", Role.VIEWER, 200, 400, 403, 404, 409, 413, 415, 503),
)
