"""`/api/login`, `/api/logout`, `/api/me`: a browser's session, and one's own account."""

from __future__ import annotations

from typing import Any, NoReturn

from litestar import Request, Response, get, post
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException
from litestar.params import JSONBody

from dalsegno._store import sessions
from dalsegno._store.connection import Connection
from dalsegno.exceptions import NotAllowed
from dalsegno.model.access import AuditEntry
from dalsegno.model.ids import new_id
from dalsegno.model.resources.access import Login, Me, PasswordChange, role_name
from dalsegno.server import problems
from dalsegno.server.access import cookies, logins
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.guard import identity_of, peer_of
from dalsegno.server.access.throttle import TooManyAttempts
from dalsegno.server.asking import ask, ask_to_hash
from dalsegno.settings import Settings


@post("/api/login", status_code=200, tags=["Access"], operation_id="log_in")
async def log_in(data: JSONBody[Login], request: Request[Any, Any, Any]) -> Response[Me]:
    """Log in with a browser: the answer sets its cookie. After failures one has to wait (429)."""
    state, peer = request.app.state, peer_of(request)
    settings: Settings = state.settings
    old = cookies.token_in(peer, request.cookies)
    try:
        session, token = await ask_to_hash(
            request, logins.log_in, state.accounts, settings.server, data.name, data.password, peer.address, old
        )
    except logins.WrongPassword as error:
        await _audit(request, data.name.strip().lower(), 401)
        raise NotAuthorizedException(str(error)) from None
    except TooManyAttempts as error:
        _wait(error)
    await _audit(request, session.user.name, 200, session.id)
    state.authenticator.forget()
    seconds = round(settings.server.session_lifetime)
    me = Me(name=session.user.name, role=role_name(session.user.role), via="session")
    return Response(me, cookies=[cookies.session_cookie(peer, token, seconds)])


@post("/api/logout", status_code=204, tags=["Access"], operation_id="log_out")
async def log_out(request: Request[Any, Any, Any]) -> Response[None]:
    """End the session of this browser."""
    return await _end(request, everywhere=False)


@post("/api/logout-everywhere", status_code=204, tags=["Access"], operation_id="log_out_everywhere")
async def log_out_everywhere(request: Request[Any, Any, Any]) -> Response[None]:
    """End the sessions of all browsers that one is logged in with."""
    return await _end(request, everywhere=True)


@get("/api/me", tags=["Access"], operation_id="read_me")
async def read_me(request: Request[Any, Any, Any]) -> Me:
    """Say who asks, and what they may do."""
    identity = identity_of(request)
    return Me(name=identity.name, role=role_name(identity.role), via=identity.via)


@post("/api/me/password", status_code=204, tags=["Access"], operation_id="change_my_password")
async def change_my_password(data: JSONBody[PasswordChange], request: Request[Any, Any, Any]) -> None:
    """Change one's own password; all other sessions end."""
    identity = identity_of(request)
    if identity.via != "session" or identity.user_id is None or identity.credential_id is None:
        raise NotAllowed("Only somebody who is logged in changes their own password.")
    accounts: Accounts = request.app.state.accounts
    await ask_to_hash(
        request, accounts.change_own_password, identity.user_id, data.current, data.new, identity.credential_id
    )
    request.app.state.authenticator.forget()


async def _end(request: Request[Any, Any, Any], *, everywhere: bool) -> Response[None]:
    identity = identity_of(request)

    def end(connection: Connection) -> None:
        if everywhere and identity.user_id is not None:
            sessions.end_sessions_of(connection, identity.user_id)
        elif identity.via == "session" and identity.credential_id is not None:
            sessions.end_session(connection, identity.credential_id)

    await ask(request, request.app.state.database.write, end)
    request.app.state.authenticator.forget()
    return Response(None, status_code=204, cookies=[cookies.no_cookie(peer_of(request))])


async def _audit(request: Request[Any, Any, Any], name: str, status: int, session_id: bytes | None = None) -> None:
    entry = AuditEntry(
        id=new_id(),
        actor=name,
        via="login",
        credential_id=session_id,
        address=peer_of(request).address,
        request_id=problems.request_id(request),
        method="POST",
        route="/api/login",
        status=status,
    )
    await request.app.state.auditing.write(entry)


def _wait(error: TooManyAttempts) -> NoReturn:
    raise TooManyRequestsException(str(error), headers={"Retry-After": str(error.seconds)}) from None


routes = [log_in, log_out, log_out_everywhere, read_me, change_my_password]
