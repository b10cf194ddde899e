"""Users and API keys in the database itself, for commands on the machine that has it. Changes are audited too."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from dalsegno._backend.connect import open_store
from dalsegno._store import audit
from dalsegno._store.connection import Database
from dalsegno.model.access import ApiKey, AuditEntry, User
from dalsegno.model.ids import new_id
from dalsegno.model.resources.access import ApiKeyView, MadeApiKey, RoleName, UserView, api_key_view, user_view
from dalsegno.model.roles import Role, read_role
from dalsegno.server.access import keys
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.keys import Maker
from dalsegno.server.access.passwords import Passwords
from dalsegno.settings import Settings

_PAGE = 500
_WHOEVER_HAS_THE_DATABASE = Maker(role=Role.ADMIN)


@contextmanager
def open_direct(settings: Settings, actor: str, passwords: Passwords | None = None) -> Generator[DirectAccess]:
    """Open the database that the settings name; `actor` is the name of the system's user."""
    backend = open_store(settings)
    try:
        yield DirectAccess(backend.database, actor, passwords or Passwords())
    finally:
        backend.close()


class DirectAccess:
    """Does in the database what the server's API does; whoever may write the database may do all of it."""

    def __init__(self, database: Database, actor: str, passwords: Passwords) -> None:
        self._database = database
        self._actor = actor
        self._accounts = Accounts(database, passwords)

    def create_first_admin(self, name: str, password: str) -> UserView | None:
        """Make an admin unless there is one."""
        made = self._accounts.create_first_admin(name, password)
        if made is None:
            return None
        self._audit("server create-admin", made.name, "role admin")
        return user_view(made)

    def users(self) -> Iterator[UserView]:
        """Yield users by name."""
        after: str | None = None
        while found := self._accounts.page(after, _PAGE):
            yield from map(user_view, found)
            after = found[-1].name

    def create_user(self, name: str, password: str, role: RoleName) -> UserView:
        """Make a user."""
        made = self._accounts.create(name, password, read_role(role))
        self._audit("user create", made.name, f"role {role}")
        return user_view(made)

    def change_user(self, user: UserView, *, role: RoleName | None = None, password: str | None = None) -> UserView:
        """Change role or password."""
        new_role = None if role is None else read_role(role)
        changed: User = self._accounts.change(user.id.bytes, role=new_role, password=password)
        what = "password" if role is None else f"role {role}"
        self._audit("user set-password" if role is None else "user set-role", str(user.id), what)
        return user_view(changed)

    def delete_user(self, user: UserView) -> None:
        """Delete a user."""
        self._accounts.delete(user.id.bytes)
        self._audit("user delete", str(user.id), f"user {user.name}")

    def api_keys(self) -> Iterator[ApiKeyView]:
        """Yield everybody's keys, newest first."""
        after: bytes | None = None
        while found := self._page_of_keys(after):
            yield from map(api_key_view, found)
            after = found[-1].id

    def create_api_key(self, name: str, role: RoleName | None, expires: datetime | None) -> MadeApiKey:
        """Make a key that belongs to no user."""
        moment = None if expires is None else round(expires.timestamp() * 1_000_000)
        wanted = None if role is None else read_role(role)
        key, text = keys.create_key(self._database, _WHOEVER_HAS_THE_DATABASE, name, wanted, moment)
        self._audit("api-key create", str(UUID(bytes=key.id)), f"{name}: role {key.role.text}")
        return MadeApiKey(key=text, api_key=api_key_view(key))

    def revoke_api_key(self, key: ApiKeyView) -> None:
        """Revoke a key."""
        keys.revoke_key(self._database, _WHOEVER_HAS_THE_DATABASE, key.id.bytes)
        self._audit("api-key revoke", str(key.id), key.name)

    def _page_of_keys(self, after: bytes | None) -> list[ApiKey]:
        return keys.list_keys(self._database, _WHOEVER_HAS_THE_DATABASE, after, _PAGE, everybodys=True)

    def _audit(self, command: str, target: str, summary: str) -> None:
        entry = AuditEntry(
            id=new_id(),
            actor=self._actor,
            via="command",
            method="COMMAND",
            route=f"dalsegno {command}",
            target=target,
            summary=summary,
            status=200,
        )
        self._database.write(lambda connection: audit.add_entry(connection, entry))
