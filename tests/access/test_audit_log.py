"""Every change stands in the audit log, with who made it and how it ended."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.access.conftest import PASSWORD, Site

from dalsegno._backend.operations import MEDIA_TYPE
from dalsegno._store import audit
from dalsegno.exceptions import BackendUnavailable
from dalsegno.model.access import AuditEntry
from dalsegno.model.ids import new_id
from dalsegno.model.roles import Role
from dalsegno.server.access import accounts, housekeeping
from dalsegno.settings import get_current_settings


def entries(site: Site, **query: str) -> list[dict[str, Any]]:
    admin = site.with_key(site.add(f"reader{accounts.now()}"))
    return admin.get("audit-log", params=query).json()["items"]


def engine(client: Any, operation: str, *arguments: Any) -> int:
    body = msgspec.msgpack.encode(arguments)
    return client.post(f"engine/{operation}", content=body, headers={"content-type": MEDIA_TYPE}).status_code


def test_a_change_says_who_what_and_how_it_ended(site: Site) -> None:
    client = site.with_key(site.add("ada"))
    answer = client.post("users", json={"name": "bob", "password": PASSWORD, "role": "editor"})
    client.post("users", json={"name": "bob", "password": PASSWORD})
    second, first = entries(site)
    assert (first["actor"], first["via"], first["address"]) == ("ada", "key", "127.0.0.1")
    assert (first["method"], first["route"], first["status"]) == ("POST", "/api/users", 201)
    assert (first["target"], first["summary"]) == ("bob", "role editor")
    assert len(first["request_id"]) == 32
    assert first["credential_id"] is not None
    assert second["status"] == 409
    assert PASSWORD not in str(entries(site))
    assert answer.status_code == 201


def test_reading_leaves_no_entry(site: Site) -> None:
    client = site.with_key(site.add("ada"))
    client.get("users")
    engine(client, "change_token")
    assert entries(site) == []


def test_what_is_refused_for_its_role_stands_there_too(site: Site) -> None:
    client = site.with_key(site.add("bob", Role.VIEWER))
    client.post("users", json={"name": "x", "password": PASSWORD})
    assert engine(client, "delete_flow_run", bytes(16)) == 403
    assert [(entry["route"], entry["status"]) for entry in entries(site)] == [
        ("/api/engine/delete_flow_run", 403),
        ("/api/users", 403),
    ]


def test_logins_stand_there_with_their_outcome(site: Site) -> None:
    site.add("ada")
    site.client().post("login", json={"name": "Ada", "password": "wrong password"})
    site.browser("ada")
    assert [(entry["actor"], entry["via"], entry["status"]) for entry in entries(site)] == [
        ("ada", "login", 200),
        ("ada", "login", 401),
    ]


def test_changes_through_the_engines_operations_stand_there_and_what_flows_do_does_not(site: Site) -> None:
    client = site.with_key(site.add("ada"))
    id = new_id()
    moment = accounts.now()
    variable = {"name": "limit", "value": 1, "tags": [], "created": moment, "updated": moment}
    assert engine(client, "set_variable", variable, True) == 200
    assert engine(client, "request_cancel", id) in (200, 404)
    assert engine(client, "heartbeat", id, {}) == 200
    cancel, change = entries(site)
    assert (change["route"], change["target"], change["status"]) == ("/api/engine/set_variable", "limit", 200)
    assert cancel["target"].replace("-", "") == id.hex()
    assert entries(site, target="limit") == [change]
    assert entries(site, actor="nobody") == []


def test_no_change_is_made_that_cannot_be_written_down(site: Site, monkeypatch: Any) -> None:
    client = site.with_key(site.add("ada"))
    client.get("me")

    def fail(*_: Any) -> None:
        raise BackendUnavailable("The disk is away.")

    monkeypatch.setattr(audit, "add_entry", fail)
    assert client.post("users", json={"name": "bob", "password": PASSWORD}).status_code == 503
    assert [user["name"] for user in client.get("users").json()["items"]] == ["ada"]


def test_an_outcome_that_is_not_known_says_so(site: Site) -> None:
    entry = AuditEntry(id=new_id(), actor="ada", via="key", method="POST", route="/api/users")
    site.backend.database.write(lambda connection: audit.add_entry(connection, entry))
    assert entries(site)[0]["status"] is None


def test_old_entries_and_sessions_are_deleted(site: Site) -> None:
    site.add("ada")
    site.browser("ada")
    now = accounts.now()
    settings = get_current_settings()
    assert housekeeping.tick(site.backend.database, settings, now) == 0
    assert len(entries(site)) == 1
    assert housekeeping.tick(site.backend.database, settings, now + 366 * 86_400 * 1_000_000) == 1 + 1 + 2
    assert entries(site) == []


def test_the_log_has_pages(site: Site) -> None:
    admin = site.with_key(site.add("root"))
    for name in ("a", "b", "c"):
        admin.post("users", json={"name": name, "password": PASSWORD})
    first = admin.get("audit-log?limit=2").json()
    second = admin.get("audit-log", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [entry["target"] for entry in first["items"] + second["items"]] == ["c", "b", "a"]
    assert second["next_cursor"] is None
