"""Users and API keys for commands: over the server that DALSEGNO_API_URL names, or else in the database itself."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.model.resources.access import ApiKeyView, MadeApiKey, RoleName, UserView
from dalsegno.settings import get_current_settings

if TYPE_CHECKING:
    from dalsegno.client import SyncClient

T = TypeVar("T")


class Access(Protocol):
    """What commands do to users and keys."""

    def users(self) -> Iterator[UserView]: ...
    def create_user(self, name: str, password: str, role: RoleName) -> UserView: ...
    def change_user(self, user: UserView, *, role: RoleName | None = None, password: str | None = None) -> UserView: ...
    def delete_user(self, user: UserView) -> None: ...
    def api_keys(self) -> Iterator[ApiKeyView]: ...
    def create_api_key(self, name: str, role: RoleName | None, expires: datetime | None) -> MadeApiKey: ...
    def revoke_api_key(self, key: ApiKeyView) -> None: ...


@contextmanager
def open_access() -> Generator[Access]:
    """Open the server of the settings in force, or their database."""
    settings = get_current_settings()
    if settings.api.url is not None:
        from dalsegno.client import SyncClient

        with SyncClient() as client:
            yield RemoteAccess(client)
        return
    from dalsegno.server.access.direct import open_direct

    with open_direct(settings, getpass.getuser()) as direct:
        yield direct


class RemoteAccess:
    """Asks a server."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client

    def users(self) -> Iterator[UserView]:
        """Yield users by name."""
        return self._client.iterate_users()

    def create_user(self, name: str, password: str, role: RoleName) -> UserView:
        """Make a user."""
        return self._client.create_user(name, password, role)

    def change_user(self, user: UserView, *, role: RoleName | None = None, password: str | None = None) -> UserView:
        """Change role or password."""
        return self._client.update_user(user.id, role=role, password=password)

    def delete_user(self, user: UserView) -> None:
        """Delete a user."""
        self._client.delete_user(user.id)

    def api_keys(self) -> Iterator[ApiKeyView]:
        """Yield keys, newest first: everybody's for an admin, else one's own."""
        return self._client.iterate_api_keys(everybodys=self._client.read_me().role == "admin")

    def create_api_key(self, name: str, role: RoleName | None, expires: datetime | None) -> MadeApiKey:
        """Make a key."""
        return self._client.create_api_key(name, role=role, expires=expires)

    def revoke_api_key(self, key: ApiKeyView) -> None:
        """Revoke a key."""
        self._client.revoke_api_key(key.id)


def ask_password(from_stdin: bool) -> str:
    """Return a password: the first line of standard input, or what is typed twice without being shown."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandError("Standard input is empty; its first line is to be the password.")
        return password
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to type a password at; give --password-stdin and pipe it in.")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("The two passwords differ.")
    return password


def existing_user(access: Access, name: str) -> UserView:
    """Return the user of a name. Raises CommandError if there is none."""
    return _the_one(access.users(), lambda user: user.name == name.lower(), f"There is no user {name!r}.")


def existing_key(access: Access, name: str) -> ApiKeyView:
    """Return the key of an id, the beginning of an id, or a name that only one key has."""
    found = [key for key in access.api_keys() if key.name == name or str(key.id).startswith(name.lower())]
    if len(found) > 1:
        fits = [f"{key.id}  {key.name}" for key in found]
        raise CommandError(f"{name!r} fits {len(found)} API keys; give more of the id.", details=fits)
    return _the_one(iter(found), lambda _: True, f"There is no API key {name!r}; `dalsegno api-key ls` lists them.")


def _the_one(found: Iterator[T], fits: Callable[[T], bool], missing: str) -> T:
    for each in found:
        if fits(each):
            return each
    raise CommandError(missing, ExitCode.NOT_FOUND)
