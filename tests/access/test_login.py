"""Logging in, staying logged in, and being slowed down."""

from __future__ import annotations

import threading

import pytest
from tests.access.conftest import PAGE, PASSWORD, Opener, Site

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import sessions
from dalsegno.model.roles import Role
from dalsegno.server.access import accounts, throttle
from dalsegno.server.access.passwords import Passwords
from dalsegno.server.access.secrets import digest

SECOND = 1_000_000


def test_on_loopback_nobody_logs_in_until_there_is_a_user(site: Site) -> None:
    assert site.client().get("me").json()["via"] == "local"
    made = site.client().post("users", json={"name": "Ada", "password": PASSWORD, "role": "admin"})
    assert made.status_code == 201
    assert site.client().get("me").status_code == 401


def test_with_remote_nobody_on_loopback_ever_does(open_site: Opener) -> None:
    site = open_site(require_login="remote")
    site.add("ada")
    assert site.client().get("me").json()["via"] == "local"
    assert site.client(x_forwarded_for="203.0.113.7").get("me").status_code == 401


def test_with_always_everybody_does(open_site: Opener) -> None:
    assert open_site(require_login="always").client().get("me").status_code == 401


def test_a_browser_logs_in_and_out(site: Site) -> None:
    site.add("ada", Role.EDITOR)
    browser = site.browser("ADA")
    assert browser.get("me").json() == {"name": "ada", "role": "editor", "via": "session"}
    cookie = next(iter(browser.cookies.jar))
    answer = browser.post("logout")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert site.client(cookie=f"{cookie.name}={cookie.value}").get("me").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site: Site) -> None:
    site.add("ada")
    answer = site.client().post("login", json={"name": "ada", "password": PASSWORD})
    parts = answer.headers["set-cookie"].split("; ")
    assert parts[0].startswith("dalsegno_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"} <= set(parts)


def test_the_database_holds_no_token(site: Site) -> None:
    site.add("ada")
    token = next(iter(site.browser("ada").cookies.jar)).value or ""
    found = site.backend.database.read(
        lambda connection: connection.execute("SELECT token_hash FROM user_session").fetchall()
    )
    assert found == [(digest(token),)]


def test_a_browser_changes_nothing_without_the_pages_header(site: Site) -> None:
    site.add("ada")
    browser = site.browser("ada")
    del browser.headers["dalsegno-page"]
    answer = browser.post("api-keys", json={"name": "x"})
    assert answer.status_code == 403
    assert "dalsegno-page" in answer.json()["detail"]
    assert browser.post("api-keys", json={"name": "x"}, headers=PAGE).status_code == 201


def test_logging_out_everywhere_ends_all_sessions_of_a_user(site: Site) -> None:
    site.add("ada")
    site.add("bob")
    here, there, bobs = site.browser("ada"), site.browser("ada"), site.browser("bob")
    assert here.post("logout-everywhere").status_code == 204
    assert there.get("me").status_code == 401
    assert bobs.get("me").status_code == 200


def test_logging_in_again_ends_the_session_that_the_browser_had(site: Site) -> None:
    site.add("ada")
    browser = site.browser("ada")
    old = next(iter(browser.cookies.jar)).value or ""
    assert browser.post("login", json={"name": "ada", "password": PASSWORD}).status_code == 200
    assert site.backend.database.read(lambda connection: sessions.find_session(connection, digest(old))) is None


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(site: Site) -> None:
    site.add("ada")
    for column, back in (("last_seen", 86_400), ("expires", 14 * 86_400)):
        browser = site.browser("ada")
        token = next(iter(browser.cookies.jar)).value or ""
        site.backend.database.write(
            lambda connection, column=column, back=back, token=token: connection.execute(
                f"UPDATE user_session SET {column} = {column} - ? WHERE token_hash = ?",
                (back * SECOND, digest(token)),
            )
        )
        assert browser.get("me").status_code == 401


def test_ones_own_password_is_changed_and_other_sessions_end(site: Site) -> None:
    site.add("ada")
    here, there = site.browser("ada"), site.browser("ada")
    assert here.post("me/password", json={"current": "wrong", "new": "another good one"}).status_code == 403
    assert here.post("me/password", json={"current": PASSWORD, "new": "short"}).status_code == 400
    assert here.post("me/password", json={"current": PASSWORD, "new": "another good one"}).status_code == 204
    assert here.get("me").status_code == 200
    assert there.get("me").status_code == 401
    site.browser("ada", "another good one")


def test_wrong_passwords_and_unknown_users_are_told_the_same(site: Site) -> None:
    site.add("ada")
    client = site.client()
    wrong = client.post("login", json={"name": "ada", "password": "wrong password"})
    unknown = client.post("login", json={"name": "nobody", "password": "wrong password"})
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json()["detail"] == unknown.json()["detail"]


def test_an_unknown_user_costs_a_verification_too(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    hasher = passwords._hasher

    class Counting:
        def verify(self, kept: str, password: str) -> bool:
            verified.append(kept)
            return hasher.verify(kept, password)

        def __getattr__(self, name: str) -> object:
            return getattr(hasher, name)

    counting = Passwords(Counting())  # type: ignore[arg-type]
    assert not counting.verify(None, "anything at all")
    assert not counting.verify(passwords.hash(PASSWORD), "anything at all")
    assert len(verified) == 2
    assert verified[0].split("$")[:4] == verified[1].split("$")[:4]


def test_after_five_failures_one_has_to_wait(site: Site) -> None:
    site.add("ada")
    client = site.client()
    for _ in range(5):
        assert client.post("login", json={"name": "ada", "password": "wrong password"}).status_code == 401
    answer = client.post("login", json={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"


def test_many_attempts_at_once_do_not_slip_through(site: Site) -> None:
    site.add("ada")
    statuses: list[int] = []

    def guess() -> None:
        statuses.append(site.client().post("login", json={"name": "ada", "password": "wrong password"}).status_code)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [401] * 5 + [429] * 7


def begin(backend: StoreBackend, name: str, address: str, now: int) -> int:
    """Try to log in; return how many seconds one has to wait."""
    try:
        backend.database.write(lambda connection: throttle.begin(connection, name, address, now))
    except throttle.TooManyAttempts as error:
        return error.seconds
    return 0


def test_waiting_doubles_and_is_forgotten_after_an_hour(site: Site) -> None:
    backend, now = site.backend, accounts.now()
    assert [begin(backend, "ada", "203.0.113.7", now) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    waits: list[int] = []
    for _ in range(4):
        waits.append(begin(backend, "ada", "203.0.113.7", now))
        now += waits[-1] * SECOND
        assert begin(backend, "ada", "203.0.113.7", now) == 0
    assert waits == [1, 2, 4, 8]
    assert begin(backend, "ada", "198.51.100.1", now) == 0  # another address is not held back
    assert begin(backend, "ada", "203.0.113.7", now + throttle.WINDOW + SECOND) == 0


def test_an_address_that_tries_many_names_is_held_back(site: Site) -> None:
    now = accounts.now()
    waits = [begin(site.backend, f"user{n}", f"2001:db8::{n:x}", now) for n in range(31)]
    assert waits == [0] * 30 + [1]
    assert begin(site.backend, "other", "2001:db8:0:1::1", now) == 0


def test_a_user_is_never_kept_out_for_long_by_others(site: Site) -> None:
    now = accounts.now()
    waits = [begin(site.backend, "ada", f"203.0.{n}.1", now) for n in range(31)]
    assert waits[-1] == 1
    assert throttle.wait_after(throttle.USER, 1_000_000) == 10
    assert throttle.wait_after(throttle.PAIR, 1_000_000) == 900


def test_succeeding_takes_the_attempt_back(site: Site) -> None:
    site.add("ada")
    for _ in range(8):
        site.browser("ada")
    assert site.client().post("login", json={"name": "ada", "password": "wrong password"}).status_code == 401


def test_a_password_hashed_with_other_parameters_is_hashed_anew(site: Site, passwords: Passwords) -> None:
    import argon2

    old = Passwords(argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).hash(PASSWORD)
    user = site.add("ada")
    change = "UPDATE user_account SET password_hash = ? WHERE id = ?"
    site.backend.database.write(lambda connection: connection.execute(change, (old, user.id)))
    site.browser("ada")
    (kept,) = site.backend.database.read(
        lambda connection: connection.execute("SELECT password_hash FROM user_account").fetchone()
    )
    assert kept != old
    assert not passwords.is_outdated(kept)
