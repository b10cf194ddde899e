"""Users and API keys through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.access.conftest import PASSWORD, Site

from dalsegno.model.roles import Role
from dalsegno.server.access import identity


def made(site: Site, name: str, **fields: Any) -> Any:
    return site.client().post("users", json={"name": name, "password": PASSWORD, **fields})


def test_users_are_made_listed_changed_and_deleted(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    bob = admin.post("users", json={"name": "Bob", "password": PASSWORD}).json()
    assert (bob["name"], bob["role"], bob["last_login"]) == ("bob", "viewer", None)
    assert admin.get(f"users/{bob['id']}").json() == bob
    changed = admin.patch(f"users/{bob['id']}", json={"role": "operator"}).json()
    assert changed["role"] == "operator"
    assert [user["name"] for user in admin.get("users").json()["items"]] == ["bob", "root"]
    assert admin.delete(f"users/{bob['id']}").status_code == 204
    assert admin.get(f"users/{bob['id']}").status_code == 404
    assert admin.delete(f"users/{bob['id']}").status_code == 404


def test_lists_have_pages(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    for name in ("a", "b", "c"):
        site.add(name, Role.VIEWER)
    first = admin.get("users?limit=2").json()
    assert [user["name"] for user in first["items"]] == ["a", "b"]
    second = admin.get("users", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [user["name"] for user in second["items"]] == ["c", "root"]
    assert second["next_cursor"] is None
    for wrong in ("!", "a", "_" * 20):
        assert admin.get("api-keys", params={"cursor": wrong}).status_code == 422


@pytest.mark.parametrize("name", ["", " ", "a b", "ä", "-a", "a" * 101, "a\n"])
def test_a_name_that_cannot_be_is_refused(site: Site, name: str) -> None:
    answer = made(site, name)
    assert answer.status_code in (400, 422) or (name == "a\n" and answer.status_code == 201)


def test_a_short_password_and_a_name_twice_are_refused(site: Site) -> None:
    answer = made(site, "ada", password="eleven char")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The password has 11 characters; it must have at least 12."
    admin = site.with_key(site.add("ada"))
    assert admin.post("users", json={"name": "ADA", "password": PASSWORD}).status_code == 409


def test_an_admin_always_remains(site: Site) -> None:
    ada = site.add("ada")
    admin = site.with_key(ada)
    (view,) = admin.get("users").json()["items"]
    assert admin.delete(f"users/{view['id']}").status_code == 409
    assert admin.patch(f"users/{view['id']}", json={"role": "viewer"}).status_code == 409
    site.add("bob")
    assert admin.patch(f"users/{view['id']}", json={"role": "viewer"}).status_code == 200
    assert admin.get("users").status_code == 403  # the key does no more than its user may


def test_a_new_password_by_an_admin_ends_the_sessions(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    bob = site.add("bob", Role.VIEWER)
    browser = site.browser("bob")
    path = f"users/{admin.get('users').json()['items'][0]['id']}"
    assert admin.patch(path, json={"password": "another good one"}).status_code == 200
    assert browser.get("me").status_code == 401
    assert site.accounts.read(bob.id).updated > bob.updated


def test_a_deleted_users_sessions_and_keys_are_good_for_nothing(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    bob = site.add("bob", Role.VIEWER)
    browser, key = site.browser("bob"), site.with_key(bob)
    path = f"users/{admin.get('users').json()['items'][0]['id']}"
    assert key.get("me").status_code == 200
    assert admin.delete(path).status_code == 204
    assert (browser.get("me").status_code, key.get("me").status_code) == (401, 401)


def test_a_key_is_told_once_and_may_do_no_more_than_its_maker(site: Site) -> None:
    editor = site.browser(site.add("ada", Role.EDITOR).name)
    assert editor.post("api-keys", json={"name": "x", "role": "admin"}).status_code == 403
    answer = editor.post("api-keys", json={"name": "ci", "role": "operator"}).json()
    assert answer["key"].startswith("dsn_")
    assert len(answer["key"]) == 47
    assert answer["api_key"]["hint"] == answer["key"][:10]
    listed = editor.get("api-keys").json()["items"]
    assert listed == [answer["api_key"]]
    assert site.client(authorization=f"Bearer {answer['key']}").get("me").json() == {
        "name": "ada",
        "role": "operator",
        "via": "key",
    }
    assert editor.get("api-keys").json()["items"][0]["last_used"] is not None
    held = site.backend.database.read(
        lambda connection: connection.execute("SELECT key_hash, name, hint FROM api_key").fetchone()
    )
    assert answer["key"].encode() not in b"".join(str(part).encode() for part in held)


def test_a_key_that_is_revoked_or_has_expired_is_good_for_nothing(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = admin.post("api-keys", json={"name": "x", "expires": tomorrow}).json()
    client = site.client(authorization=f"Bearer {made['key']}")
    assert client.get("me").status_code == 200
    assert admin.delete(f"api-keys/{made['api_key']['id']}").status_code == 204
    assert client.get("me").status_code == 401
    made = admin.post("api-keys", json={"name": "y", "expires": tomorrow}).json()
    site.backend.database.write(
        lambda connection: connection.execute("UPDATE api_key SET expires = 1 WHERE name = ?", ("y",))
    )
    assert site.client(authorization=f"Bearer {made['key']}").get("me").status_code == 401
    assert admin.post("api-keys", json={"name": "z", "expires": "2020-01-01T00:00:00Z"}).status_code == 400
    assert admin.post("api-keys", json={"name": "z", "expires": "2099-01-01T00:00:00"}).status_code == 400


def test_a_key_makes_no_key_that_outlives_it(site: Site) -> None:
    browser = site.browser(site.add("root").name)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = browser.post("api-keys", json={"name": "short", "expires": tomorrow}).json()
    client = site.client(authorization=f"Bearer {made['key']}")
    assert client.post("api-keys", json={"name": "x"}).json()["api_key"]["expires"] == made["api_key"]["expires"]


def test_users_see_and_revoke_their_own_keys_only(site: Site) -> None:
    ada, bob = site.add("ada", Role.OPERATOR), site.add("bob", Role.OPERATOR)
    adas, bobs = site.with_key(ada), site.with_key(bob)
    (key,) = adas.get("api-keys").json()["items"]
    assert bobs.delete(f"api-keys/{key['id']}").status_code == 404
    assert bobs.get("api-keys?everybodys=true").status_code == 403
    admin = site.with_key(site.add("root"))
    assert len(admin.get("api-keys?everybodys=true").json()["items"]) == 3
    assert admin.delete(f"api-keys/{key['id']}").status_code == 204


def test_another_server_believes_a_key_no_longer_than_a_second(
    site: Site, open_site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_site(site.backend)
    admin = site.with_key(site.add("root"))
    made = admin.post("api-keys", json={"name": "x"}).json()
    client = other.client(authorization=f"Bearer {made['key']}")
    assert client.get("me").status_code == 200
    assert admin.delete(f"api-keys/{made['api_key']['id']}").status_code == 204
    clock = identity.time.monotonic
    monkeypatch.setattr(identity.time, "monotonic", lambda: clock() + 1.0)
    assert client.get("me").status_code == 401


def test_the_last_use_is_written_once_a_minute(site: Site) -> None:
    client = site.with_key(site.add("root"))
    client.get("me")
    read = "SELECT last_used FROM api_key"
    first = site.backend.database.read(lambda connection: connection.execute(read).fetchone())
    site.client().get("me")
    client.get("me")
    assert site.backend.database.read(lambda connection: connection.execute(read).fetchone()) == first
