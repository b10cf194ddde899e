"""Users and API keys for commands: over the server that DALSEGNO_API_URL names, or else in the database itself."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.exceptions import BackendUnavailable
from dalsegno.model.resources.access import (
    ApiKeyPage,
    ApiKeyView,
    MadeApiKey,
    NewApiKey,
    NewUser,
    RoleName,
    UserChange,
    UserPage,
    UserView,
)
from dalsegno.settings import Settings, get_current_settings

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_PAGE = 500


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
        with _client(settings.api.url, settings) as client:
            yield RemoteAccess(client, settings.api.url)
        return
    from dalsegno.server.access.direct import open_direct

    with open_direct(settings, getpass.getuser()) as direct:
        yield direct


class RemoteAccess:
    """Asks a server, each time with one request."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url

    def users(self) -> Iterator[UserView]:
        """Yield users by name."""
        yield from self._pages("users", UserPage, {})

    def create_user(self, name: str, password: str, role: RoleName) -> UserView:
        """Make a user."""
        return self._ask("POST", "users", UserView, NewUser(name=name, password=password, role=role))

    def change_user(self, user: UserView, *, role: RoleName | None = None, password: str | None = None) -> UserView:
        """Change role or password."""
        return self._ask("PATCH", f"users/{user.id}", UserView, UserChange(role=role, password=password))

    def delete_user(self, user: UserView) -> None:
        """Delete a user."""
        self._ask("DELETE", f"users/{user.id}", None)

    def api_keys(self) -> Iterator[ApiKeyView]:
        """Yield keys, newest first: everybody's for an admin, else one's own."""
        role = self._ask("GET", "me", dict[str, Any])["role"]
        yield from self._pages("api-keys", ApiKeyPage, {"everybodys": "true"} if role == "admin" else {})

    def create_api_key(self, name: str, role: RoleName | None, expires: datetime | None) -> MadeApiKey:
        """Make a key."""
        return self._ask("POST", "api-keys", MadeApiKey, NewApiKey(name=name, role=role, expires=expires))

    def revoke_api_key(self, key: ApiKeyView) -> None:
        """Revoke a key."""
        self._ask("DELETE", f"api-keys/{key.id}", None)

    def _pages(self, path: str, kind: Any, query: dict[str, str]) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            asked = query | {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            page = self._ask("GET", path, kind, query=asked)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def _ask(
        self, method: str, path: str, kind: Any, body: msgspec.Struct | None = None, query: dict[str, str] | None = None
    ) -> Any:
        import httpx

        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            answer = self._client.request(method, path, content=content, headers=headers, params=query)
        except httpx.HTTPError as error:
            raise BackendUnavailable(
                f"The server at {self._url} cannot be reached ({error}). See that it runs and that DALSEGNO_API_URL "
                "is right."
            ) from None
        if answer.is_success:
            return None if kind is None else msgspec.json.decode(answer.content, type=kind)
        raise _refused(self._url, answer.status_code, answer.content)


class _Problem(msgspec.Struct):
    """What is read of an error of the server (RFC 9457)."""

    detail: str = ""
    errors: list[dict[str, Any]] = []


def _refused(url: str, status: int, body: bytes) -> CommandError:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem(detail=f"HTTP {status}")
    codes = {404: ExitCode.NOT_FOUND, 401: ExitCode.BACKEND, 403: ExitCode.BACKEND}
    code = codes.get(status, ExitCode.BACKEND if status >= 500 else ExitCode.USAGE)
    errors = "; ".join(f"{each.get('key', '')}: {each.get('message', '')}" for each in problem.errors)
    return CommandError(f"The server at {url} refuses: {problem.detail} {errors}".strip(), code)


def _client(url: str, settings: Settings) -> httpx.Client:
    import ssl

    import httpx

    api = settings.api
    verify: ssl.SSLContext | bool = api.tls_verify
    if api.tls_verify and api.tls_ca_file is not None:
        verify = ssl.create_default_context(cafile=str(api.tls_ca_file))
    return httpx.Client(
        base_url=url.rstrip("/") + "/",
        headers={"authorization": f"Bearer {api.key}"} if api.key else {},
        timeout=httpx.Timeout(api.timeout, connect=api.connect_timeout),
        verify=verify,
    )


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
