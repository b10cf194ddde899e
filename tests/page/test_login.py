"""Who has to log in, is asked to, and gets where they wanted to go."""

from __future__ import annotations

from collections.abc import Iterator

import argon2
import pytest
from playwright.sync_api import expect
from tests.page.conftest import Window
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.roles import Role
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.passwords import Passwords
from dalsegno.settings import temporary_settings

PASSWORD = "correct horse battery"


@pytest.fixture
def closed(built_page: None, backend: StoreBackend) -> Iterator[str]:
    """Give the address of a server where everybody has to log in: ada is an administrator, victor a viewer."""
    passwords = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    accounts = Accounts(backend.database, passwords)
    accounts.create("ada", PASSWORD, Role.ADMIN)
    accounts.create("victor", PASSWORD, Role.VIEWER)
    with temporary_settings({"DALSEGNO_SERVER_REQUIRE_LOGIN": "always"}), serving(backend, passwords) as api_url:
        yield api_url.removesuffix("/api")


def log_in(window: Window, name: str, password: str = PASSWORD) -> None:
    window.page.get_by_label("Name").fill(name)
    window.page.get_by_label("Password").fill(password)
    window.page.get_by_role("button", name="Log in").click()


def test_after_the_login_one_is_where_one_wanted_to_go(closed: str, window: Window) -> None:
    page = window.page
    page.goto(f"{closed}/runs?state=FAILED")
    expect(page.get_by_role("heading", name="Log in to Dalsegno")).to_be_visible()
    log_in(window, "ada", "wrong horse battery")
    expect(page.get_by_role("alert")).to_be_visible()
    log_in(window, "ada")
    expect(page.get_by_role("heading", name="Flow runs", level=1)).to_be_visible()
    expect(page).to_have_url(f"{closed}/runs?state=FAILED")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Dalsegno")).to_be_visible()
    # The browser notes the answers 401 by itself.
    assert all("401" in each for each in window.complaints)


@pytest.mark.parametrize("trap", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_a_login_leads_nowhere_else(closed: str, window: Window, trap: str) -> None:
    window.page.goto(f"{closed}/login?next={trap}")
    log_in(window, "ada")
    expect(window.page.get_by_role("heading", name="Home")).to_be_visible()
    assert window.page.url.startswith(closed)


def test_a_viewer_sees_no_button_that_is_not_theirs(closed: str, window: Window) -> None:
    page = window.page
    page.goto(closed)
    log_in(window, "victor")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    expect(page.get_by_role("link", name="API keys")).to_be_visible()
    expect(page.get_by_role("link", name="Users")).to_have_count(0)
    page.get_by_role("link", name="Variables").click()
    expect(page.get_by_role("heading", name="Variables", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="New variable…")).to_have_count(0)
