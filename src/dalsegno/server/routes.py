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


ROUTES: tuple[Route, ...] = (
    _route("GET", "/", Role.VIEWER, 200),
    _route("GET", "/api/health", None, 200),
    _route("GET", "/api/ready", None, 200, 503),
    _route("GET", "/api/version", None, 200),
    _route("GET", "/api/services", Role.VIEWER, 200),
    _route("GET", "/api/concurrency-limits", Role.VIEWER, 200, 400),
    _route("POST", "/api/concurrency-limits", Role.EDITOR, 201, 400, 409, 413, 415),
    _route("GET", "/api/concurrency-limits/{id:uuid}", Role.VIEWER, 200, 404),
    _route("PATCH", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 200, 400, 404, 409, 413, 415),
    _route("DELETE", "/api/concurrency-limits/{id:uuid}", Role.EDITOR, 204, 404),
    _route("POST", "/api/concurrency-limits/{id:uuid}/reset", Role.OPERATOR, 200, 404),
    _route("GET", "/api/concurrency-limits/{id:uuid}/holders", Role.VIEWER, 200, 400, 404),
    _route("GET", "/api/live", Role.VIEWER, 200, 400),
    _route("PUT", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 413, 503),
    _route("GET", RESULTS_PATH + "{name:path}", Role.VIEWER, 200, 400, 404, 503),
    _route("HEAD", RESULTS_PATH + "{name:path}", Role.VIEWER, 204, 400, 404, 503),
    _route("DELETE", RESULTS_PATH + "{name:path}", Role.OPERATOR, 204, 400, 404, 503),
    # Which role an operation needs stands beside its signature.
    _route("POST", PATH + "{operation:str}", Role.VIEWER, 200, 400, 403, 404, 409, 413, 415, 503),
)
