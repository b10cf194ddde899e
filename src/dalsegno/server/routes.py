"""Every route of the server: who may use it, and how it may answer. One table, which tests walk.

A route that is not here is refused, so that none is ever open by mistake.
"""

from __future__ import annotations

import re

import msgspec

from dalsegno._backend.operations import PATH, RESULTS_PATH
from dalsegno.model.roles import Role
from dalsegno.server.page import ADDRESSES

METRICS = "/metrics"


class Route(msgspec.Struct, frozen=True):
    """One route."""

    method: str
    path: str
    """As the application declares it: ``"/api/flow-runs/{id:str}"``."""
    role: Role | None
    """The lowest role that may use it; None: everybody, without login."""
    statuses: frozenset[int]
    """The answers that it may give."""
    audited: bool = False
    """Whether the audit log has an entry of each use."""
    opened_by: str | None = None
    """The setting of the server that gives it to everybody, without login."""


def _route(method: str, path: str, role: Role | None, *statuses: int, audited: bool | None = None) -> Route:
    """Return a row; what takes more than a viewer to change something is audited unless it says otherwise.

    Every route that needs a role may refuse who does not have it.
    """
    if audited is None:
        audited = method != "GET" and role is not None and role > Role.VIEWER
    refusals = () if role is None else (401, 403)
    return Route(method, path, role, frozenset((*statuses, *refusals)), audited)


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
    _route("POST", _FLOW_RUN + "/pause", Role.OPERATOR, 200, 400, 404, 409, 413, 503),
    _route("POST", _FLOW_RUN + "/suspend", Role.OPERATOR, 200, 400, 404, 409, 413, 503),
    _route("POST", _FLOW_RUN + "/resume", Role.OPERATOR, 200, 400, 404, 409, 413, 415, 422, 503),
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

_DEPLOYMENT = "/api/deployments/{id:uuid}"
_SCHEDULE = _DEPLOYMENT + "/schedules/{schedule_id:uuid}"
_DEPLOYMENTS: tuple[Route, ...] = (
    _route("GET", "/api/deployments", Role.VIEWER, 200, 400, 422, 503),
    _route("PUT", "/api/deployments", Role.EDITOR, 200, 400, 404, 413, 415, 422, 503),
    _route("GET", "/api/deployments/name/{flow:str}/{deployment:str}", Role.VIEWER, 200, 400, 404, 503),
    _route("GET", _DEPLOYMENT, Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", _DEPLOYMENT, Role.EDITOR, 200, 400, 404, 412, 413, 415, 422, 503),
    _route("DELETE", _DEPLOYMENT, Role.EDITOR, 204, 400, 404, 413, 503),
    _route("GET", _DEPLOYMENT + "/versions", Role.VIEWER, 200, 400, 404, 503),
    _route("POST", _DEPLOYMENT + "/rollback", Role.EDITOR, 200, 400, 404, 413, 415, 422, 503),
    _route("POST", _DEPLOYMENT + "/create-flow-run", Role.OPERATOR, 200, 201, 400, 404, 413, 415, 422, 503),
    _route("GET", _DEPLOYMENT + "/schedules", Role.VIEWER, 200, 400, 404, 503),
    _route("POST", _DEPLOYMENT + "/schedules", Role.EDITOR, 201, 400, 404, 409, 413, 415, 422, 503),
    _route("GET", _SCHEDULE, Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", _SCHEDULE, Role.EDITOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("DELETE", _SCHEDULE, Role.EDITOR, 204, 400, 404, 413, 503),
    _route("GET", _DEPLOYMENT + "/upcoming", Role.VIEWER, 200, 400, 404, 422, 503),
    _route("POST", _DEPLOYMENT + "/backfill", Role.EDITOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("GET", _FLOW_RUN + "/wait-reasons", Role.VIEWER, 200, 400, 404, 503),
    _route("PUT", _FLOW_RUN + "/priority", Role.OPERATOR, 200, 400, 404, 409, 413, 415, 422, 503),
)
_POOL = "/api/work-pools/{name:str}"
_QUEUE = _POOL + "/queues/{queue:str}"
_POOLS: tuple[Route, ...] = (
    _route("GET", "/api/work-pools", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/work-pools", Role.EDITOR, 201, 400, 409, 413, 415, 422, 503),
    _route("GET", _POOL, Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", _POOL, Role.EDITOR, 200, 400, 404, 413, 415, 422, 503),
    _route("DELETE", _POOL, Role.EDITOR, 204, 400, 404, 413, 503),
    _route("GET", _POOL + "/queues", Role.VIEWER, 200, 400, 404, 503),
    _route("POST", _POOL + "/queues", Role.EDITOR, 201, 400, 404, 409, 413, 415, 422, 503),
    _route("GET", _QUEUE, Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", _QUEUE, Role.EDITOR, 200, 400, 404, 413, 415, 422, 503),
    _route("DELETE", _QUEUE, Role.EDITOR, 204, 400, 404, 413, 503),
    _route("GET", _POOL + "/workers", Role.VIEWER, 200, 400, 404, 503),
    _route("GET", "/api/workers", Role.VIEWER, 200, 503),
)

_ACCESS = (
    # Nobody is known yet: the handler itself writes the audit log.
    _route("POST", "/api/login", None, 200, 400, 401, 413, 415, 422, 429, 503),
    _route("POST", "/api/logout", Role.VIEWER, 204, 401, 403, 503, audited=True),
    _route("POST", "/api/logout-everywhere", Role.VIEWER, 204, 401, 403, 503, audited=True),
    _route("GET", "/api/me", Role.VIEWER, 200, 401, 503),
    _route("POST", "/api/me/password", Role.VIEWER, 204, 400, 401, 403, 413, 415, 422, 503, audited=True),
    _route("GET", "/api/users", Role.ADMIN, 200, 400, 401, 403, 422, 503),
    _route("POST", "/api/users", Role.ADMIN, 201, 400, 401, 403, 409, 413, 415, 422, 503),
    _route("GET", "/api/users/{id:uuid}", Role.ADMIN, 200, 400, 401, 403, 404, 503),
    _route("PATCH", "/api/users/{id:uuid}", Role.ADMIN, 200, 400, 401, 403, 404, 409, 413, 415, 422, 503),
    _route("DELETE", "/api/users/{id:uuid}", Role.ADMIN, 204, 400, 401, 403, 404, 409, 503),
    # Everybody has keys of their own.
    _route("GET", "/api/api-keys", Role.VIEWER, 200, 400, 401, 403, 422, 503),
    _route("POST", "/api/api-keys", Role.VIEWER, 201, 400, 401, 403, 413, 415, 422, 503, audited=True),
    _route("DELETE", "/api/api-keys/{id:uuid}", Role.VIEWER, 204, 400, 401, 403, 404, 503, audited=True),
    _route("GET", "/api/audit-log", Role.ADMIN, 200, 400, 401, 403, 422, 503),
)

# What everybody may read: the page without any data.
_PAGE = (
    *(_route("GET", address, None, 200, 304) for address in ADDRESSES),
    _route("GET", "/assets/{name:str}", None, 200, 404),
)

ROUTES: tuple[Route, ...] = (
    *_PAGE,
    _route("GET", "/api/health", None, 200),
    _route("GET", "/api/ready", None, 200, 503),
    _route("GET", "/api/version", None, 200),
    Route("GET", METRICS, Role.VIEWER, frozenset((200, 401, 403, 503)), opened_by="metrics_without_login"),
    _route("GET", "/api/services", Role.VIEWER, 200, 503),
    _route("GET", "/api/concurrency-limits", Role.VIEWER, 200, 400, 422, 503),
    _route("POST", "/api/concurrency-limits", Role.EDITOR, 201, 400, 409, 413, 415, 422, 503),
    _route("GET", "/api/concurrency-limits/{id:uuid}", Role.VIEWER, 200, 400, 404, 503),
    _route("PATCH", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 200, 400, 404, 409, 413, 415, 422, 503),
    _route("DELETE", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 204, 400, 404, 503),
    _route("POST", "/api/concurrency-limits/{id:uuid}/reset", Role.OPERATOR, 200, 400, 404, 503),
    _route("GET", "/api/concurrency-limits/{id:uuid}/holders", Role.VIEWER, 200, 400, 404, 422, 503),
    _route("GET", "/api/live", Role.VIEWER, 200, 400, 422),
    *_READING,
    *_COMMANDS,
    *_VARIABLES,
    *_DEPLOYMENTS,
    *_POOLS,
    *_ACCESS,
    _route("PUT", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 413, 503, audited=False),
    _route("GET", RESULTS_PATH + "{name:path}", Role.VIEWER, 200, 400, 404, 503),
    _route("HEAD", RESULTS_PATH + "{name:path}", Role.VIEWER, 204, 400, 404, 503),
    _route("DELETE", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 404, 503),
    # Which role an operation needs, and whether it is audited, stands beside its signature.
    _route("POST", PATH + "{operation:str}", Role.VIEWER, 200, 400, 404, 409, 413, 415, 422, 503),
)


def find_route(method: str, path: str) -> Route | None:
    """Return the row of a route, whose path may have the types of its parameters or not."""
    return _BY_PATH.get((method, _TYPE.sub("", path)))


_TYPE = re.compile(r"(?<=\w):\w+(?=\})")
_BY_PATH = {(route.method, _TYPE.sub("", route.path)): route for route in ROUTES}
