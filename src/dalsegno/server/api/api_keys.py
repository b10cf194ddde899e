"""`/api/api-keys`: what programs show in place of a login. Everybody has keys of their own; admins see all."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from dalsegno.exceptions import BackendError
from dalsegno.model.resources.access import ApiKeyPage, MadeApiKey, NewApiKey, api_key_view
from dalsegno.model.roles import read_role
from dalsegno.server.access import keys
from dalsegno.server.access.auditing import note
from dalsegno.server.access.guard import identity_of
from dalsegno.server.access.paging import Cursor, Limit, cut
from dalsegno.server.asking import ask
from dalsegno.server.cursors import read_cursor

ApiKeyId = Annotated[UUID, PathParameter(description="The key's id.")]
Everybodys = Annotated[bool, QueryParameter(description="The keys of all users, not one's own; for admins.")]
_KIND = "api-keys"


@get("/api/api-keys", tags=["Access"], operation_id="list_api_keys")
async def list_api_keys(
    request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = 100, everybodys: Everybodys = False
) -> ApiKeyPage:
    """Return one's own API keys, newest first; admins may ask for everybody's."""
    maker = identity_of(request).maker
    found = await ask(
        request,
        keys.list_keys,
        request.app.state.database,
        maker,
        read_cursor(_KIND, cursor, bytes),
        limit + 1,
        everybodys=everybodys,
    )
    shown, following = cut(_KIND, found, limit, lambda key: key.id)
    return ApiKeyPage(items=[api_key_view(key) for key in shown], next_cursor=following)


@post("/api/api-keys", status_code=201, tags=["Access"], operation_id="create_api_key")
async def create_api_key(data: JSONBody[NewApiKey], request: Request[Any, Any, Any]) -> MadeApiKey:
    """Make an API key, which may do no more than whoever makes it. Its text is told this once."""
    if data.expires is not None and data.expires.tzinfo is None:
        raise BackendError("`expires` needs a time zone, such as the Z of 2026-12-31T00:00:00Z.")
    expires = None if data.expires is None else round(data.expires.timestamp() * 1_000_000)
    role = None if data.role is None else read_role(data.role)
    maker = identity_of(request).maker
    key, text = await ask(request, keys.create_key, request.app.state.database, maker, data.name, role, expires)
    view = api_key_view(key)
    note(request.scope, target=str(view.id), summary=f"{key.name}: role {key.role.text}")
    return MadeApiKey(key=text, api_key=view)


@delete("/api/api-keys/{id:uuid}", tags=["Access"], operation_id="revoke_api_key")
async def revoke_api_key(id: ApiKeyId, request: Request[Any, Any, Any]) -> None:
    """Revoke an API key: one's own, or as an admin anybody's."""
    revoked = await ask(request, keys.revoke_key, request.app.state.database, identity_of(request).maker, id.bytes)
    note(request.scope, summary=revoked.name)
    request.app.state.authenticator.forget()


routes = [list_api_keys, create_api_key, revoke_api_key]
