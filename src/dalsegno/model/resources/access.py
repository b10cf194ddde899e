"""Users, API keys and the audit log as the API shows and takes them, in JSON; the command line reads the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from dalsegno.model.access import ApiKey, AuditEntry, User
from dalsegno.model.resources.values import to_optional_time, to_time
from dalsegno.model.roles import Role

RoleName: TypeAlias = Literal["viewer", "operator", "editor", "admin"]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
Password: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1000)]


class UserView(msgspec.Struct, kw_only=True):
    """A user."""

    id: Annotated[UUID, Meta(description="Its id.")]
    name: Annotated[str, Meta(description="The name that the user logs in with.")]
    role: Annotated[RoleName, Meta(description="What the user may do.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]
    last_login: Annotated[datetime | None, Meta(description="When the user last logged in; null: never.")]


class NewUser(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A user to be made."""

    name: Annotated[
        Name, Meta(description="The name to log in with: letters, digits, and `.`, `_`, `@`, `+`, `-` within.")
    ]
    password: Annotated[Password, Meta(description="The password.")]
    role: Annotated[RoleName, Meta(description="What the user may do.")] = "viewer"


class UserChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change about a user; what is not given stays."""

    role: Annotated[RoleName | None, Meta(description="What the user may do.")] = None
    password: Annotated[Password | None, Meta(description="A new password.")] = None


class ApiKeyView(msgspec.Struct, kw_only=True):
    """An API key, without its text."""

    id: Annotated[UUID, Meta(description="Its id.")]
    name: Annotated[str, Meta(description="What it is called.")]
    hint: Annotated[str, Meta(description="How its text begins.")]
    role: Annotated[RoleName, Meta(description="What may be done with it.")]
    user_name: Annotated[
        str | None, Meta(description="Whose it is; null: nobody's, it was made on the database itself.")
    ]
    created: Annotated[datetime, Meta(description="When it was made.")]
    expires: Annotated[datetime | None, Meta(description="When it ends; null: never.")]
    last_used: Annotated[datetime | None, Meta(description="When it was last used, about to the minute; null: never.")]


class NewApiKey(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An API key to be made."""

    name: Annotated[Name, Meta(description="What it is called.")]
    role: Annotated[RoleName | None, Meta(description="What may be done with it; null: all that its maker may.")] = None
    expires: Annotated[datetime | None, Meta(description="When it ends, with its time zone; null: never.")] = None


class MadeApiKey(msgspec.Struct, kw_only=True):
    """A key that was just made: the only time that its text is told."""

    key: Annotated[str, Meta(description="The text of the key.")]
    api_key: Annotated[ApiKeyView, Meta(description="What is kept of it.")]


class Login(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who wants to log in."""

    name: Annotated[Name, Meta(description="The name of the user.")]
    password: Annotated[Password, Meta(description="The password.")]


class PasswordChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new password of one's own."""

    current: Annotated[Password, Meta(description="The password until now.")]
    new: Annotated[Password, Meta(description="The password from now on.")]


class Me(msgspec.Struct, kw_only=True):
    """Who asks, as the server knows them."""

    name: Annotated[str, Meta(description="The name of the user or key.")]
    role: Annotated[RoleName, Meta(description="What may be done.")]
    via: Annotated[
        Literal["session", "key", "local"],
        Meta(description="How the server knows; `local`: no login was needed."),
    ]


class AuditEntryView(msgspec.Struct, kw_only=True):
    """Something that somebody changed, or tried to change."""

    id: Annotated[UUID, Meta(description="Its id.")]
    timestamp: Annotated[datetime, Meta(description="When it was asked for.")]
    actor: Annotated[str, Meta(description="Who asked.")]
    via: Annotated[str, Meta(description="How the server knew who.")]
    credential_id: Annotated[UUID | None, Meta(description="The key or session that was shown.")]
    address: Annotated[str | None, Meta(description="Where the request came from.")]
    request_id: Annotated[str | None, Meta(description="The id of the request, as it stands in the log.")]
    method: Annotated[str, Meta(description="The method of the request.")]
    route: Annotated[str, Meta(description="The route of the request.")]
    target: Annotated[str | None, Meta(description="What was to be changed.")]
    summary: Annotated[str | None, Meta(description="What was to be done, in short.")]
    status: Annotated[
        int | None,
        Meta(description="The status of the answer; null: it was never answered, so it may have happened or not."),
    ]


class UserPage(msgspec.Struct, kw_only=True):
    """Users by name, and where the next page begins."""

    items: Annotated[list[UserView], Meta(description="The users, by name.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class ApiKeyPage(msgspec.Struct, kw_only=True):
    """API keys, newest first, and where the next page begins."""

    items: Annotated[list[ApiKeyView], Meta(description="The keys, newest first.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class AuditPage(msgspec.Struct, kw_only=True):
    """Entries of the audit log, newest first, and where the next page begins."""

    items: Annotated[list[AuditEntryView], Meta(description="The entries, newest first.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


def role_name(role: Role) -> RoleName:
    """Return the name of a role."""
    return role.text  # pyright: ignore[reportReturnType]


def user_view(user: User) -> UserView:
    """Return a user as the API shows it."""
    return UserView(
        id=UUID(bytes=user.id),
        name=user.name,
        role=role_name(user.role),
        created=to_time(user.created),
        updated=to_time(user.updated),
        last_login=to_optional_time(user.last_login),
    )


def api_key_view(key: ApiKey) -> ApiKeyView:
    """Return an API key as the API shows it."""
    return ApiKeyView(
        id=UUID(bytes=key.id),
        name=key.name,
        hint=key.hint,
        role=role_name(key.role),
        user_name=key.user_name,
        created=to_time(key.created),
        expires=to_optional_time(key.expires),
        last_used=to_optional_time(key.last_used),
    )


def audit_entry_view(entry: AuditEntry, timestamp: int) -> AuditEntryView:
    """Return an entry of the audit log as the API shows it."""
    return AuditEntryView(
        id=UUID(bytes=entry.id),
        timestamp=to_time(timestamp),
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
