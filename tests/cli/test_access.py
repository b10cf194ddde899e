"""`dalsegno user`, `dalsegno api-key` and `dalsegno server create-admin`, on the database and over a server."""

from __future__ import annotations

import io
from collections.abc import Iterator

import argon2
import pytest
from tests.cli.conftest import Dalsegno
from tests.served import serving

from dalsegno._backend.connect import open_store
from dalsegno.server.access.passwords import Passwords
from dalsegno.settings import get_current_settings

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(argon2, "PasswordHasher", lambda: hasher)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the password come from standard input, again and again."""

    class Same(io.StringIO):
        def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
            return PASSWORD + "\n"

    monkeypatch.setattr("sys.stdin", Same())


@pytest.fixture(params=["database", "server"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, dalsegno: Dalsegno) -> Iterator[str]:
    """Have the commands work on the database, or ask a server with an admin's key."""
    if request.param == "database":
        yield request.param
        return
    store = open_store(get_current_settings())
    key = dalsegno("api-key", "create", "admin").output.strip()
    with serving(store, Passwords()) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        monkeypatch.setenv("DALSEGNO_API_KEY", key)
        yield request.param
    store.close()


def test_the_first_admin_is_made_once(dalsegno: Dalsegno, typed: None) -> None:
    done = dalsegno("server", "create-admin", "--name", "Root", "--password-stdin")
    assert (done.code, done.output) == (0, "Admin 'root' is made.\n")
    again = dalsegno("server", "create-admin", "--password-stdin")
    assert again.code == 2
    assert "There is an admin already" in again.errors


def test_without_a_terminal_the_password_has_to_be_piped(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "--password-stdin" in dalsegno("server", "create-admin").errors
    assert "Standard input is empty" in dalsegno("server", "create-admin", "--password-stdin").errors


def test_users(dalsegno: Dalsegno, where: str, typed: None) -> None:
    assert dalsegno("user", "ls").output.startswith("No users yet")
    done = dalsegno("user", "create", "Ada", "--role", "admin", "--password-stdin")
    assert (done.code, done.output) == (0, "User 'ada' is made, with the role 'admin'.\n")
    assert dalsegno("user", "create", "ada", "--password-stdin").code == 2
    assert dalsegno("user", "create", "bob", "--password-stdin").code == 0
    assert dalsegno("user", "set-role", "bob", "operator").output == "User 'bob' has the role 'operator'.\n"
    assert dalsegno("user", "set-password", "bob", "--password-stdin").code == 0
    rows = dalsegno("user", "ls", "-o", "json").json
    assert [(row["name"], row["role"], row["last_login"]) for row in rows] == [
        ("ada", "admin", None),
        ("bob", "operator", None),
    ]
    assert "--all shows the rest" in dalsegno("user", "ls", "--limit", "1").output
    only = dalsegno("user", "delete", "ada")
    assert (only.code, "only admin" in only.errors) == (2, True)
    assert dalsegno("user", "delete", "bob").output == "User 'bob' is deleted.\n"
    assert dalsegno("user", "delete", "bob").code == 5


def test_keys(dalsegno: Dalsegno, where: str) -> None:
    made = dalsegno("api-key", "create", "ci", "--role", "operator", "--expires", "30d")
    assert made.code == 0
    assert made.output.startswith("dsn_")
    assert len(made.output.split()) == 1
    assert "not shown again" in made.errors
    whole = dalsegno("api-key", "create", "other", "-o", "json").json
    assert whole["key"].startswith(whole["api_key"]["hint"])
    rows = dalsegno("api-key", "ls", "-o", "json").json
    assert [row["name"] for row in rows][:2] == ["other", "ci"]
    assert made.output.strip() not in dalsegno("api-key", "ls").output
    assert dalsegno("api-key", "revoke", "ci").output.startswith("API key 'ci' (dsn_")
    assert dalsegno("api-key", "revoke", "ci").code == 5
    assert dalsegno("api-key", "create", "x", "--expires", "soon").code == 2
    dalsegno("api-key", "create", "other")
    assert "fits 2 API keys" in dalsegno("api-key", "revoke", "other").errors


def test_a_server_that_refuses_says_why(dalsegno: Dalsegno, typed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    dalsegno("server", "create-admin", "--password-stdin")
    key = dalsegno("api-key", "create", "ci", "--role", "viewer").output.strip()
    store = open_store(get_current_settings())
    with serving(store) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        refused = dalsegno("user", "ls")
        assert (refused.code, "DALSEGNO_API_KEY" in refused.errors) == (6, True)
        monkeypatch.setenv("DALSEGNO_API_KEY", key)
        assert "takes the role 'admin'" in dalsegno("user", "ls").errors
        assert dalsegno("flow", "ls").code == 0
        assert "set_variable" in dalsegno("variable", "set", "a", "1").errors
    store.close()
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    assert "cannot be reached" in dalsegno("user", "ls").errors


def test_secrets_are_not_shown(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "***" in dalsegno("config", "set", "api.key=dsn_hidden").output
    monkeypatch.setenv("DALSEGNO_SERVER_ADMIN_PASSWORD", "dsn_hidden")
    for words in (["config", "view"], ["config", "view", "-o", "json"], ["profile", "inspect"], ["profile", "ls"]):
        assert "dsn_hidden" not in dalsegno(*words).output
        assert "dsn_hidden" not in dalsegno(*words, "-o", "json").output
    assert "***" in dalsegno("config", "view").output
