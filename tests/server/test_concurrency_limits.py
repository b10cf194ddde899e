"""Concurrency limits over REST: made, listed, changed, emptied and deleted."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.served import serving
from tests.store.requests import elsewhere

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots

PATH = "/concurrency-limits"


@pytest.fixture
def store() -> Iterator[StoreBackend]:
    backend = StoreBackend.in_memory()
    yield backend
    backend.close()


@pytest.fixture
def client(store: StoreBackend) -> Iterator[httpx.Client]:
    with serving(store) as url, httpx.Client(base_url=url) as client:
        yield client


def test_a_limit_lives_from_its_making_to_its_deletion(client: httpx.Client) -> None:
    made = client.post(PATH, json={"name": "database", "limit": 3})
    assert made.status_code == 201
    limit = made.json()
    assert (limit["kind"], limit["active"], limit["active_slots"], limit["waiting"]) == ("global", True, 0, 0)
    assert client.post(PATH, json={"name": "database", "limit": 3}).status_code == 409
    at = f"{PATH}/{limit['id']}"
    changed = client.patch(at, json={"limit": 5, "active": False}).json()
    assert (changed["limit"], changed["active"], changed["name"]) == (5, False, "database")
    assert client.get(at).json() == changed
    assert client.delete(at).status_code == 204
    assert [client.get(at).status_code, client.delete(at).status_code] == [404, 404]
    assert client.post(f"{at}/reset").status_code == 404
    assert client.get(f"{at}/holders").status_code == 404


def test_lists_come_in_pages_by_name(client: httpx.Client) -> None:
    for name in ("c", "a", "b"):
        client.post(PATH, json={"name": name, "limit": 1, "kind": "tag"})
    first = client.get(PATH, params={"kind": "tag", "limit": 2}).json()
    rest = client.get(PATH, params={"kind": "tag", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [limit["name"] for limit in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None
    assert client.get(PATH).json()["items"] == []
    assert client.get(PATH, params={"cursor": "?"}).status_code == 422
    assert client.get(PATH, params={"cursor": "_w"}).status_code == 422


def test_holders_are_listed_and_can_lose_their_slots(client: httpx.Client, store: StoreBackend) -> None:
    limit = client.post(PATH, json={"name": "database", "limit": 3}).json()
    for _ in range(3):
        request = AcquireSlots(id=new_id(), names=["database"], process=elsewhere(), holder="nightly", lease=60.0)
        assert store.acquire_slots(request).granted
    at = f"{PATH}/{limit['id']}"
    page = client.get(f"{at}/holders", params={"limit": 2}).json()
    rest = client.get(f"{at}/holders", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [holder["holder"] for holder in page["items"] + rest["items"]] == ["nightly"] * 3
    assert page["items"][0]["expires"] > page["items"][0]["acquired"]
    assert client.get(at).json()["active_slots"] == 3
    assert client.post(f"{at}/reset").json() == {"freed": 3}
    assert client.get(at).json()["active_slots"] == 0


def test_what_cannot_be_a_limit_is_refused(client: httpx.Client) -> None:
    for body in (
        {"name": "", "limit": 1},
        {"name": "a", "limit": -1},
        {"name": "a"},
        {"name": "a", "limit": 1, "x": 1},
    ):
        assert client.post(PATH, json=body).status_code == 422
