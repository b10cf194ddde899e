"""Who may use a server, and what they changed: users, sessions of browsers, API keys, entries of the audit log."""

from __future__ import annotations

import msgspec

from dalsegno.model.roles import Role


class User(msgspec.Struct, kw_only=True, frozen=True):
    """Somebody who may log in. Times are microseconds since 1970 (UTC), here as everywhere."""

    id: bytes
    name: str
    role: Role
    created: int
    updated: int
    last_login: int | None = None


class Session(msgspec.Struct, kw_only=True, frozen=True):
    """A browser that a user logged in with."""

    id: bytes
    user: User
    created: int
    last_seen: int
    expires: int
    """When it ends however busy it is."""


class ApiKey(msgspec.Struct, kw_only=True, frozen=True):
    """A key that programs show in place of a login. Its text is known only to whoever made it."""

    id: bytes
    name: str
    hint: str
    """How its text begins, to tell keys apart."""
    role: Role
    """What it may do at most; never more than its user may."""
    user_id: bytes | None
    """None: it was made where no login is needed, and belongs to nobody."""
    user_name: str | None
    created: int
    expires: int | None
    last_used: int | None = None


class AuditEntry(msgspec.Struct, kw_only=True, frozen=True):
    """Something that somebody changed, or tried to change."""

    id: bytes
    """Made when the request came, so entries are in order of time."""
    actor: str
    """The name of the user, or ``"local"`` where no login was needed."""
    via: str
    """``session``, ``key``, ``local`` (no login was needed), ``login`` (somebody who logs in) or ``command``
    (a command that worked on the database itself)."""
    credential_id: bytes | None = None
    """The session or API key."""
    address: str | None = None
    """Where the request came from."""
    request_id: str | None = None
    method: str
    route: str
    """The route as the API declares it: ``/api/users/{id:uuid}``."""
    target: str | None = None
    """What was changed: an id, or a name."""
    summary: str | None = None
    """What was changed about it, in a few words."""
    status: int | None = None
    """The answer's HTTP status. None: the server ended before it answered, and the change may have happened or not."""
