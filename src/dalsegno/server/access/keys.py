"""What can be done with API keys: made, listed, revoked. None may do more than whoever makes it, nor outlive it."""

from __future__ import annotations

import msgspec

from dalsegno._store import api_keys
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendError, NotAllowed, ObjectNotFound
from dalsegno.model.access import ApiKey
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.roles import Role
from dalsegno.server.access.accounts import now
from dalsegno.server.access.secrets import HINT_LENGTH, digest, new_api_key


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf a key is made or revoked."""

    role: Role
    user_id: bytes | None = None
    user_name: str | None = None
    expires: int | None = None
    """When what they show ends, if it is an API key itself."""


def create_key(
    database: Database, maker: Maker, name: str, role: Role | None = None, expires: int | None = None
) -> tuple[ApiKey, str]:
    """Return a new key and its text. Raises NotAllowed where it would be able to do more than its maker."""
    role = maker.role if role is None else role
    if role > maker.role:
        raise NotAllowed(f"The role {maker.role.text!r} makes no keys for {role.text!r}.")
    at = now()
    if maker.expires is not None:
        expires = maker.expires if expires is None else min(expires, maker.expires)
    if expires is not None and expires <= at:
        raise BackendError("The key would have expired already: choose a later time.")
    text = new_api_key()
    key = ApiKey(
        id=new_id(),
        name=name,
        hint=text[:HINT_LENGTH],
        role=role,
        user_id=maker.user_id,
        user_name=maker.user_name,
        created=at,
        expires=expires,
    )
    database.write(lambda connection: api_keys.add_api_key(connection, key, digest(text)), durable=True)
    return key, text


def list_keys(database: Database, maker: Maker, after: bytes | None, limit: int, *, everybodys: bool) -> list[ApiKey]:
    """Return keys, newest first: an admin's list may have everybody's. Raises NotAllowed."""
    if everybodys and maker.role < Role.ADMIN:
        raise NotAllowed("Only admins see the keys of others.")
    # Who has no account has no keys of their own: where no login is needed, all are shown.
    whose = None if everybodys or (maker.user_id is None and maker.role is Role.ADMIN) else maker.user_id or b""
    return database.read(lambda connection: api_keys.list_api_keys(connection, whose, after, limit))


def revoke_key(database: Database, maker: Maker, id: bytes) -> ApiKey:
    """Delete a key: one's own, or as an admin anybody's. Raises ObjectNotFound, also for keys of others."""

    def write(connection: Connection) -> ApiKey:
        key = api_keys.read_api_key(connection, id)
        is_own = key is not None and key.user_id is not None and key.user_id == maker.user_id
        if key is None or not (is_own or maker.role is Role.ADMIN):
            raise ObjectNotFound(f"There is no API key {id_text(id)}.")
        api_keys.delete_api_key(connection, id)
        return key

    return database.write(write, durable=True)
