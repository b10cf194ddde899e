"""Finds out who asks: by an API key, by a browser's session, or as somebody on this machine where nobody logs in."""

from __future__ import annotations

import time
from typing import Any, Literal

import anyio.to_thread
import msgspec

from dalsegno._store import api_keys, sessions, users
from dalsegno._store.connection import Connection, Database
from dalsegno.model.roles import Role
from dalsegno.server.access.accounts import now
from dalsegno.server.access.keys import Maker
from dalsegno.server.access.secrets import digest
from dalsegno.settings.fields import ServerSettings

SECOND = 1_000_000
LOCAL = "local"
_TRUSTED_FOR = 1.0
"""Seconds for which what the database said is believed: so long another server may take to know of a revoked key."""
_NOTED_EVERY = 60 * SECOND
"""How exact the time of the last use is."""
_MOST_KNOWN = 10_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what they may do."""

    name: str
    role: Role
    via: Literal["session", "key", "local"]
    user_id: bytes | None = None
    credential_id: bytes | None = None
    """The session or API key."""
    expires: int | None = None

    @property
    def maker(self) -> Maker:
        """On whose behalf keys are made."""
        return Maker(
            role=self.role,
            user_id=self.user_id,
            user_name=self.name if self.user_id is not None else None,
            expires=self.expires if self.via == "key" else None,
        )


LOCAL_ADMIN = Identity(name=LOCAL, role=Role.ADMIN, via="local")


class Authenticator:
    """Knows who is behind a key or a token. What it looked up it believes for a second."""

    def __init__(self, database: Database, settings: ServerSettings) -> None:
        self._database = database
        self._idle = round(settings.session_idle * SECOND)
        self._rule = settings.require_login
        self._known: dict[bytes, tuple[float, Identity]] = {}
        self._no_users_until = 0.0
        self._has_users = False

    async def by_key(self, text: str) -> Identity | None:
        """Return who shows an API key; None: it is none, or not any longer."""
        return await self._look_up(digest(text), self._find_key)

    async def by_session(self, token: str) -> Identity | None:
        """Return the user of a browser's session; None: it is none, or not any longer."""
        return await self._look_up(digest(token), self._find_session)

    async def local_is_free(self) -> bool:
        """Tell whether those on this machine need no login."""
        if self._rule != "auto":
            return self._rule == "remote"
        if self._has_users:
            return False
        if time.monotonic() >= self._no_users_until:
            # An admin always remains, so once there are users there always are.
            self._has_users = await anyio.to_thread.run_sync(self._database.read, users.has_users)
            self._no_users_until = time.monotonic() + _TRUSTED_FOR
        return not self._has_users

    def forget(self) -> None:
        """Ask the database anew: users, keys or sessions have changed."""
        self._known.clear()
        self._no_users_until = 0.0

    async def _look_up(self, hashed: bytes, find: Any) -> Identity | None:
        found = self._known.get(hashed)
        if found is not None and time.monotonic() < found[0]:
            return found[1]
        identity: Identity | None = await anyio.to_thread.run_sync(find, hashed)
        if identity is None:
            self._known.pop(hashed, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[hashed] = (time.monotonic() + _TRUSTED_FOR, identity)
        return identity

    def _find_key(self, hashed: bytes) -> Identity | None:
        key = self._database.read(lambda connection: api_keys.find_api_key(connection, hashed))
        at = now()
        if key is None or (key.expires is not None and key.expires <= at):
            return None
        if at - (key.last_used or 0) > _NOTED_EVERY:
            self._database.write(lambda connection: api_keys.touch_api_key(connection, key.id, at))
        return Identity(
            name=key.user_name or f"key {key.name}",
            role=key.role,
            via="key",
            user_id=key.user_id,
            credential_id=key.id,
            expires=key.expires,
        )

    def _find_session(self, hashed: bytes) -> Identity | None:
        session = self._database.read(lambda connection: sessions.find_session(connection, hashed))
        at = now()
        if session is None or session.expires <= at or session.last_seen + self._idle <= at:
            return None

        def touch(connection: Connection) -> None:
            sessions.touch_session(connection, session.id, at)

        if at - session.last_seen > min(_NOTED_EVERY, self._idle // 4):
            self._database.write(touch)
        return Identity(
            name=session.user.name,
            role=session.user.role,
            via="session",
            user_id=session.user.id,
            credential_id=session.id,
            expires=session.expires,
        )
