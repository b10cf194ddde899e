"""Users, API keys and the audit log as the API shows and takes them, in JSON; the command line reads the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

from dalsegno.model.access import ApiKey, AuditEntry, User
from dalsegno.model.roles import Role

RoleName: TypeAlias = Literal["viewer", "operator", "editor", "admin"]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Password: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class UserView(msgspec.Struct, kw_only=True):
    """A user."""

    id: UUID
    name: str
    role: RoleName
    created: datetime
    updated: datetime
    last_login: datetime | None


class NewUser(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A user to be made."""

    name: Name
    password: Password
    role: RoleName = "viewer"


class UserChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change about a user; what is not given stays."""

    role: RoleName | None = None
    password: Password | None = None


class ApiKeyView(msgspec.Struct, kw_only=True):
    """An API key, without its text."""

    id: UUID
    name: str
    hint: str
    """How its text begins."""
    role: RoleName
    user_name: str | None
    created: datetime
    expires: datetime | None
    last_used: datetime | None


class NewApiKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An API key to be made."""

    name: Name
    role: RoleName | None = None
    """None: that of whoever makes it."""
    expires: datetime | None = None
    """With its time zone. None: never."""


class MadeApiKey(msgspec.Struct, kw_only=True):
    """A key that was just made: the only time that its text is told."""

    key: str
    api_key: ApiKeyView


class Login(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who wants to log in."""

    name: Name
    password: Password


class PasswordChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new password of one's own."""

    current: Password
    new: Password


class Me(msgspec.Struct, kw_only=True):
    """Who asks, as the server knows them."""

    name: str
    role: RoleName
    via: Literal["session", "key", "local"]
    """local: no login was needed."""


class AuditEntryView(msgspec.Struct, kw_only=True):
    """Something that somebody changed, or tried to change."""

    id: UUID
    timestamp: datetime
    actor: str
    via: str
    credential_id: UUID | None
    address: str | None
    request_id: str | None
    method: str
    route: str
    target: str | None
    summary: str | None
    status: int | None
    """None: it was never answered, so it may have happened or not."""


class UserPage(msgspec.Struct, kw_only=True):
    """Users by name, and where the next page begins."""

    items: list[UserView]
    next_cursor: str | None


class ApiKeyPage(msgspec.Struct, kw_only=True):
    """API keys, newest first, and where the next page begins."""

    items: list[ApiKeyView]
    next_cursor: str | None


class AuditPage(msgspec.Struct, kw_only=True):
    """Entries of the audit log, newest first, and where the next page begins."""

    items: list[AuditEntryView]
    next_cursor: str | None


def moment(microseconds: int) -> datetime:
    """Return a time of the records as people and JSON have it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def role_name(role: Role) -> RoleName:
    """Return the name of a role."""
    return role.text  # pyright: ignore[reportReturnType]


def user_view(user: User) -> UserView:
    """Return a user as the API shows it."""
    return UserView(
        id=UUID(bytes=user.id),
        name=user.name,
        role=role_name(user.role),
        created=moment(user.created),
        updated=moment(user.updated),
        last_login=None if user.last_login is None else moment(user.last_login),
    )


def api_key_view(key: ApiKey) -> ApiKeyView:
    """Return an API key as the API shows it."""
    return ApiKeyView(
        id=UUID(bytes=key.id),
        name=key.name,
        hint=key.hint,
        role=role_name(key.role),
        user_name=key.user_name,
        created=moment(key.created),
        expires=None if key.expires is None else moment(key.expires),
        last_used=None if key.last_used is None else moment(key.last_used),
    )


def audit_entry_view(entry: AuditEntry, timestamp: int) -> AuditEntryView:
    """Return an entry of the audit log as the API shows it."""
    return AuditEntryView(
        id=UUID(bytes=entry.id),
        timestamp=moment(timestamp),
        actor=entry.actor,
        via=entry.via,
        credential_id=None if entry.credential_id is None else UUID(bytes=entry.credential_id),
        address=entry.address,
        request_id=entry.request_id,
        method=entry.method,
        route=entry.route,
        target=entry.target,
        summary=entry.summary,
        status=entry.status,
    )
