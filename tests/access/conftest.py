"""A server whose users have passwords that cost nothing to hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import argon2
import httpx
import pytest
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.access import User
from dalsegno.model.roles import Role
from dalsegno.server.access import keys
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.keys import Maker
from dalsegno.server.access.passwords import Passwords
from dalsegno.settings import temporary_settings

PASSWORD = "correct horse battery"
PAGE = {"dalsegno-page": "1"}


@dataclass
class Site:
    """A running server, and its database for the tests to reach into."""

    url: str
    backend: StoreBackend
    accounts: Accounts
    stack: ExitStack

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/api")

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def add(self, name: str, role: Role = Role.ADMIN) -> User:
        """Make a user."""
        return self.accounts.create(name, PASSWORD, role)

    def client(self, **headers: str) -> httpx.Client:
        """Return a client without any login."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stack.enter_context(httpx.Client(base_url=self.url + "/", headers=named, verify=False))

    def browser(self, name: str, password: str = PASSWORD) -> httpx.Client:
        """Return a client that is logged in by cookie, and sends what the page sends."""
        client = self.client(**PAGE)
        answer = client.post("login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return client

    def with_key(self, user: User, role: Role | None = None) -> httpx.Client:
        """Return a client that shows an API key of a user."""
        maker = Maker(role=user.role, user_id=user.id, user_name=user.name)
        _, text = keys.create_key(self.backend.database, maker, "test", role)
        return self.client(authorization=f"Bearer {text}")


Opener = Callable[..., Site]


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    return Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def open_site(passwords: Passwords) -> Iterator[Opener]:
    """Give a function that starts a server with some of its settings changed: ``open_site(require_login="always")``."""
    with ExitStack() as stack:

        def open_(backend: StoreBackend | None = None, **settings: Any) -> Site:
            if backend is None:
                backend = StoreBackend.in_memory()
                stack.callback(backend.close)
            changes = {f"DALSEGNO_SERVER_{name.upper()}": value for name, value in settings.items()}
            with temporary_settings(changes):
                url = stack.enter_context(serving(backend, passwords))
            return Site(url, backend, Accounts(backend.database, passwords), stack)

        yield open_


@pytest.fixture
def site(open_site: Opener) -> Site:
    return open_site()
