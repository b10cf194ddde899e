"""Every route of the server: who may use it, and how it may answer. One table, which tests walk.

A route that is not here is refused, so that none is ever open by mistake.
"""

from __future__ import annotations

import re

import msgspec

from dalsegno._backend.operations import PATH
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
    audited: bool = False
    """Whether the audit log has an entry of each use."""


def _route(method: str, path: str, role: Role | None, *statuses: int, audited: bool | None = None) -> Route:
    """Return a row; what takes more than a viewer to change something is audited unless it says otherwise."""
    if audited is None:
        audited = method != "GET" and role is not None and role > Role.VIEWER
    return Route(method, path, role, frozenset(statuses), audited)


_ACCESS = (
    # Nobody is known yet: the handler itself writes the audit log.
    _route("POST", "/api/login", None, 200, 400, 401, 413, 415, 429, 503),
    _route("POST", "/api/logout", Role.VIEWER, 204, 401, 403, 503, audited=True),
    _route("POST", "/api/logout-everywhere", Role.VIEWER, 204, 401, 403, 503, audited=True),
    _route("GET", "/api/me", Role.VIEWER, 200, 401, 503),
    _route("POST", "/api/me/password", Role.VIEWER, 204, 400, 401, 403, 413, 415, 503, audited=True),
    _route("GET", "/api/users", Role.ADMIN, 200, 400, 401, 403, 503),
    _route("POST", "/api/users", Role.ADMIN, 201, 400, 401, 403, 409, 413, 415, 503),
    _route("GET", "/api/users/{id:uuid}", Role.ADMIN, 200, 400, 401, 403, 404, 503),
    _route("PATCH", "/api/users/{id:uuid}", Role.ADMIN, 200, 400, 401, 403, 404, 409, 413, 415, 503),
    _route("DELETE", "/api/users/{id:uuid}", Role.ADMIN, 204, 400, 401, 403, 404, 409, 503),
    # Everybody has keys of their own.
    _route("GET", "/api/api-keys", Role.VIEWER, 200, 400, 401, 403, 503),
    _route("POST", "/api/api-keys", Role.VIEWER, 201, 400, 401, 403, 413, 415, 503, audited=True),
    _route("DELETE", "/api/api-keys/{id:uuid}", Role.VIEWER, 204, 400, 401, 403, 404, 503, audited=True),
    _route("GET", "/api/audit-log", Role.ADMIN, 200, 400, 401, 403, 503),
)

_DOCS = ("", "/openapi.json", "/scalar", "/{path:str}")

ROUTES: tuple[Route, ...] = (
    _route("GET", "/", Role.VIEWER, 200, 401),
    _route("GET", "/api/health", None, 200),
    _route("GET", "/api/ready", None, 200, 503),
    _route("GET", "/api/version", None, 200),
    # Which role an operation needs, and whether it is audited, stands beside its signature.
    _route("POST", PATH + "{operation:str}", Role.VIEWER, 200, 400, 401, 403, 404, 409, 413, 415, 503),
    *_ACCESS,
    *(_route("GET", f"/api/docs{path}", Role.VIEWER, 200, 401, 404) for path in _DOCS),
)


def find_route(method: str, path: str) -> Route | None:
    """Return the row of a route, whose path may have the types of its parameters or not."""
    return _BY_PATH.get((method, _TYPE.sub("", path)))


_TYPE = re.compile(r"(?<=\w):\w+(?=\})")
_BY_PATH = {(route.method, _TYPE.sub("", route.path)): route for route in ROUTES}
