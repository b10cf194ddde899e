"""Users, API keys, the audit log, and who one is oneself."""

from __future__ import annotations

from datetime import datetime

from dalsegno.client.calls import Call, Id, Pages, change, get, id_of
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.access import (
    ApiKeyPage,
    ApiKeyView,
    AuditEntryView,
    AuditPage,
    MadeApiKey,
    Me,
    NewApiKey,
    NewUser,
    RoleName,
    UserChange,
    UserPage,
    UserView,
)

_PAGE = 500


class AccessOperations:
    """Operations on who may do what; those on users and the audit log are for admins."""

    @operation
    def read_me(self) -> Call[Me]:
        """Return who asks, and what they may do."""
        return get("me", Me)

    @operation
    def read_user(self, id: Id) -> Call[UserView]:
        """Return a user. Raises ObjectNotFound."""
        return get(f"users/{id_of(id)}", UserView)

    @operation
    def read_users(self, *, limit: int = 100, cursor: str | None = None) -> Call[UserPage]:
        """Return a page of users, by name."""
        return get("users", UserPage, {"limit": limit, "cursor": cursor})

    @listing
    def iterate_users(self) -> Pages[UserView]:
        """Iterate over all users, by name."""
        return Pages(lambda at: get("users", UserPage, {"limit": _PAGE, "cursor": at}))

    @operation
    def create_user(self, name: str, password: str, role: RoleName = "viewer") -> Call[UserView]:
        """Make a user. Raises ObjectAlreadyExists."""
        return change("POST", "users", UserView, NewUser(name=name, password=password, role=role))

    @operation
    def update_user(self, id: Id, *, role: RoleName | None = None, password: str | None = None) -> Call[UserView]:
        """Change a user's role or password. Raises OnlyAdmin."""
        return change("PATCH", f"users/{id_of(id)}", UserView, UserChange(role=role, password=password))

    @operation
    def delete_user(self, id: Id) -> Call[None]:
        """Delete a user with their sessions and API keys. Raises OnlyAdmin."""
        return change("DELETE", f"users/{id_of(id)}", type(None))

    @operation
    def read_api_keys(
        self, *, everybodys: bool = False, limit: int = 100, cursor: str | None = None
    ) -> Call[ApiKeyPage]:
        """Return a page of one's own API keys, newest first; admins may ask for everybody's."""
        return get("api-keys", ApiKeyPage, {"everybodys": everybodys, "limit": limit, "cursor": cursor})

    @listing
    def iterate_api_keys(self, *, everybodys: bool = False) -> Pages[ApiKeyView]:
        """Iterate over one's own API keys, newest first; admins may ask for everybody's."""
        query = {"everybodys": everybodys, "limit": _PAGE}
        return Pages(lambda at: get("api-keys", ApiKeyPage, query | {"cursor": at}))

    @operation
    def create_api_key(
        self, name: str, *, role: RoleName | None = None, expires: datetime | None = None
    ) -> Call[MadeApiKey]:
        """Make an API key, which may do no more than whoever makes it. Its text is told this once."""
        return change("POST", "api-keys", MadeApiKey, NewApiKey(name=name, role=role, expires=expires))

    @operation
    def revoke_api_key(self, id: Id) -> Call[None]:
        """Revoke an API key: one's own, or as an admin anybody's."""
        return change("DELETE", f"api-keys/{id_of(id)}", type(None))

    @operation
    def read_audit_log(
        self, *, actor: str | None = None, target: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Call[AuditPage]:
        """Return a page of the audit log, newest first."""
        return get("audit-log", AuditPage, {"actor": actor, "target": target, "limit": limit, "cursor": cursor})

    @listing
    def iterate_audit_log(self, *, actor: str | None = None, target: str | None = None) -> Pages[AuditEntryView]:
        """Iterate over the audit log, newest first."""
        query = {"actor": actor, "target": target, "limit": _PAGE}
        return Pages(lambda at: get("audit-log", AuditPage, query | {"cursor": at}))
