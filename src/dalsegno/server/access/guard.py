"""The one guard of all routes: finds the route in the table, finds out who asks, and whether they may."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from dalsegno._backend.operations import PATH, Operation, operations
from dalsegno.exceptions import NotAllowed
from dalsegno.model.access import AuditEntry
from dalsegno.model.ids import new_id
from dalsegno.model.roles import Role
from dalsegno.server import problems
from dalsegno.server.access import cookies
from dalsegno.server.access.auditing import Auditing
from dalsegno.server.access.identity import LOCAL_ADMIN, Authenticator, Identity
from dalsegno.server.access.peers import Peer
from dalsegno.server.routes import Route, find_route

Connection = ASGIConnection[Any, Any, Any, Any]

PAGE_HEADER = "dalsegno-page"
"""What a page sends along when it changes something: no form can, and no other origin without asking first."""

_ENGINE = PATH + "{operation}"


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let a request through to its handler, or raise. What is in no table is refused."""
    scope: Any = connection.scope
    method: str = scope["method"]
    if method == "OPTIONS":
        return  # the application itself answers: which methods there are
    route = find_route(method, scope["path_template"])
    if route is None:
        raise RuntimeError(f"{method} {scope['path_template']} is not in the table of routes.")
    if route.role is None or (route.opened_by and getattr(connection.app.state.settings.server, route.opened_by)):
        return
    identity = await _identify(connection)
    if identity is None:
        raise _login_needed(connection)
    scope["dalsegno_identity"] = identity
    operation = operations().get(scope["path_params"]["operation"]) if route.path.startswith(_ENGINE[:-1]) else None
    await _see_that_they_may(connection, route, operation, identity)


def identity_of(request: Connection) -> Identity:
    """Return who asks, in a handler of a route that takes a role."""
    scope: Any = request.scope
    return scope["dalsegno_identity"]


def peer_of(request: Connection) -> Peer:
    """Return where a request comes from."""
    scope: Any = request.scope
    return scope["dalsegno_peer"]


async def _identify(connection: Connection) -> Identity | None:
    authenticator: Authenticator = connection.app.state.authenticator
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        return await authenticator.by_key(text.strip()) if scheme.lower() == "bearer" else None
    scope: Any = connection.scope
    if scope["dalsegno_foreign"]:
        return None  # a page of another origin shows a key or is nobody
    peer = peer_of(connection)
    token = cookies.token_in(peer, connection.cookies)
    if token is not None:
        identity = await authenticator.by_session(token)
        if identity is not None:
            return identity
    if peer.is_local and await authenticator.local_is_free():
        return LOCAL_ADMIN
    return None


async def _see_that_they_may(
    connection: Connection, route: Route, operation: Operation | None, identity: Identity
) -> None:
    needed = route.role if operation is None else operation.role
    changes = route.audited if operation is None else operation.audited
    assert needed is not None
    refusal: str | None = None
    if identity.role < needed:
        refusal = _too_low(identity, needed, route, operation)
    elif identity.via == "session" and route.method != "GET" and not connection.headers.get(PAGE_HEADER):
        refusal = f"A browser that is logged in has to send the header {PAGE_HEADER} with what changes something."
    auditing: Auditing = connection.app.state.auditing
    if refusal is not None:
        if changes:
            await auditing.write(await _entry(connection, route, operation, identity, 403))
        raise NotAllowed(refusal)
    if changes:
        await auditing.begin(connection.scope, await _entry(connection, route, operation, identity, None))


async def _entry(
    connection: Connection, route: Route, operation: Operation | None, identity: Identity, status: int | None
) -> AuditEntry:
    path = route.path
    parameters: dict[str, Any] = connection.scope["path_params"]
    target = next((str(value) for value in parameters.values()), None)
    if operation is not None:
        path = PATH + operation.name
        target = None
        if status is None and isinstance(connection, Request):
            from dalsegno.server.api.engine import read_body

            target = operation.target(await read_body(connection))
    return AuditEntry(
        id=new_id(),
        actor=identity.name,
        via=identity.via,
        credential_id=identity.credential_id,
        address=peer_of(connection).address,
        request_id=problems.request_id(connection),
        method=route.method,
        route=path,
        target=target,
        status=status,
    )


def _too_low(identity: Identity, needed: Role, route: Route, operation: Operation | None) -> str:
    what = f"{route.method} {route.path}" if operation is None else f"the operation {operation.name!r}"
    return f"{what} takes the role {needed.text!r}; {identity.name!r} has the role {identity.role.text!r} here."


def _login_needed(connection: Connection) -> NotAuthorizedException:
    shown = "authorization" in connection.headers
    return NotAuthorizedException(
        "This API key is not known, was revoked or has expired. Make one with `dalsegno api-key create`."
        if shown
        else "Log in, or show an API key (DALSEGNO_API_KEY; `dalsegno api-key create` makes them).",
        headers={"WWW-Authenticate": "Bearer"},
    )
