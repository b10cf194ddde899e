"""How requests come to their turn at the store, and what is said where the store's own records are no good."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.server.conftest import Api

from dalsegno._backend.embedded import StoreBackend
from dalsegno._backend.operations import operations
from dalsegno._processes import current_process
from dalsegno._store.looking import Looking
from dalsegno.model.views import Page

MSGPACK = {"content-type": "application/msgpack"}


def test_leases_and_health_do_not_wait_for_those_that_wait_for_the_database(
    api: Api, backend: StoreBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, inside = threading.Event(), threading.Semaphore(0)

    def slow(*_: Any) -> list[Any]:
        inside.release()
        go_on.wait(60)
        return []

    monkeypatch.setattr(backend, "list_flows", slow)
    body = operations()["list_flows"].pack_arguments((Page(),), {})
    beat = operations()["heartbeat"].pack_arguments((current_process().id, {}), {})
    with ThreadPoolExecutor(40) as many:
        asked = [many.submit(api.send, "POST", "/engine/list_flows", content=body, headers=MSGPACK) for _ in range(40)]
        try:
            for _ in range(7):
                assert inside.acquire(timeout=30)
            assert api.get("ready") == {"status": "ready"}
            api.send("POST", "/engine/heartbeat", content=beat, headers=MSGPACK)
        finally:
            go_on.set()
        for each in asked:
            each.result()


def test_a_record_that_cannot_be_read_is_a_fault_of_the_server_and_not_of_who_asks(
    api: Api, backend: StoreBackend
) -> None:
    api.send("PUT", "/variables/day", 201, json={"value": 1})
    backend.database.write(lambda connection: connection.execute("UPDATE variable SET tags = '[1'"))
    body = operations()["get_variable"].pack_arguments(("day",), {})
    answer = api.send("POST", "/engine/get_variable", 500, content=body, headers=MSGPACK)
    assert "the server's log" in answer.json()["detail"]
    api.send("POST", "/engine/get_variable", 400, content=b"\x91", headers=MSGPACK)


def test_what_the_reference_does_not_have_is_said_as_elsewhere(api: Api) -> None:
    assert "/api/docs" in api.send("GET", "/docs/nothing", 404).json()["detail"]


def test_a_listener_that_fails_keeps_nothing_from_the_others() -> None:
    turns = iter(range(1000))
    heard, twice = [], threading.Event()

    class Watched:
        def change_token(self) -> int:
            return 0

        def wait_for_change(self, token: Any, timeout: float) -> int:
            twice.wait(0.01)
            return next(turns)

    def broken(_: Any) -> None:
        raise ValueError("no")

    def good(_: Any) -> None:
        heard.append(1)
        if len(heard) == 2:
            twice.set()

    watched = Watched()
    looking = Looking(watched)
    looking.add(broken)
    looking.add(good)
    assert twice.wait(30)
    looking.close()
