"""`/api/users`: who may log in, and as what."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, delete, get, patch, post
from litestar.params import JSONBody, PathParameter

from dalsegno.model.resources.access import NewUser, UserChange, UserPage, UserView, user_view
from dalsegno.model.roles import read_role
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.auditing import note
from dalsegno.server.access.paging import Cursor, Limit, cut
from dalsegno.server.asking import ask, ask_to_hash
from dalsegno.server.cursors import read_cursor

UserId = Annotated[UUID, PathParameter(description="The user's id.")]
_KIND = "users"


@get("/api/users", tags=["Access"], operation_id="list_users")
async def list_users(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = 100) -> UserPage:
    """Return users by name."""
    found = await ask(request, _accounts(request).page, read_cursor(_KIND, cursor, str), limit + 1)
    shown, following = cut(_KIND, found, limit, lambda user: user.name)
    return UserPage(items=[user_view(user) for user in shown], next_cursor=following)


@post("/api/users", status_code=201, tags=["Access"], operation_id="create_user")
async def create_user(data: JSONBody[NewUser], request: Request[Any, Any, Any]) -> UserView:
    """Make a user."""
    note(request.scope, target=data.name, summary=f"role {data.role}")
    made = await ask_to_hash(request, _accounts(request).create, data.name, data.password, read_role(data.role))
    request.app.state.authenticator.forget()
    return user_view(made)


@get("/api/users/{id:uuid}", tags=["Access"], operation_id="read_user")
async def read_user(id: UserId, request: Request[Any, Any, Any]) -> UserView:
    """Return a user."""
    return user_view(await ask(request, _accounts(request).read, id.bytes))


@patch("/api/users/{id:uuid}", tags=["Access"], operation_id="update_user")
async def update_user(id: UserId, data: JSONBody[UserChange], request: Request[Any, Any, Any]) -> UserView:
    """Change a user's role or password; a new password ends their sessions. An admin always remains (409)."""
    role = None if data.role is None else read_role(data.role)
    changes = [f"role {data.role}"] * (data.role is not None) + ["password"] * (data.password is not None)
    note(request.scope, summary=", ".join(changes))
    changed = await ask_to_hash(request, _accounts(request).change, id.bytes, role=role, password=data.password)
    request.app.state.authenticator.forget()
    return user_view(changed)


@delete("/api/users/{id:uuid}", tags=["Access"], operation_id="delete_user")
async def delete_user(id: UserId, request: Request[Any, Any, Any]) -> None:
    """Delete a user with their sessions and API keys. An admin always remains (409)."""
    deleted = await ask(request, _accounts(request).delete, id.bytes)
    note(request.scope, summary=f"user {deleted.name}")
    request.app.state.authenticator.forget()


def _accounts(request: Request[Any, Any, Any]) -> Accounts:
    return request.app.state.accounts


routes = [list_users, create_user, read_user, update_user, delete_user]
