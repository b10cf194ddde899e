"""`GET /api/live` tells what changed, to whom it concerns, and goes on where an earlier stream stopped."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import pytest
from tests.served import serving
from tests.server.test_work_pools_api import worker as a_worker

from dalsegno import flow, task
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.changes import ANYTHING, Changes
from dalsegno.model.deployments import DeploymentSpec
from dalsegno.model.pools import NewPool
from dalsegno.server.api import live
from dalsegno.server.api.live import Subscription
from dalsegno.server.hub import Hub
from dalsegno.variables import Variable


@task
def double(x: int) -> int:
    return 2 * x


@flow
def doubling() -> int:
    return double(2)


class Stream:
    """A stream of events, read as a browser would."""

    def __init__(self, response: httpcore.Response) -> None:
        self._chunks = response.iter_stream()
        self._buffer = b""
        self.id: str | None = None
        assert next(self._chunks).startswith(b"retry: ")

    def next_change(self) -> dict[str, Any]:
        while True:
            while b"\n\n" not in self._buffer:
                self._buffer += next(self._chunks)
            block, self._buffer = self._buffer.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))
            if "data" in fields:
                self.id = fields["id"]
                return json.loads(fields["data"])


@contextmanager
def stream(url: str, query: str = "", last: str | None = None) -> Iterator[Stream]:
    headers = {} if last is None else {"last-event-id": last}
    timeout = {"timeout": {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0}}
    with (
        httpcore.ConnectionPool() as pool,
        pool.stream("GET", f"{url}/live{query}", headers=headers, extensions=timeout) as response,
    ):
        assert response.status == 200
        yield Stream(response)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from tests.conftest import close_embedded_backend

    backend = StoreBackend.in_memory()
    with serving(backend) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        yield url
        close_embedded_backend()
    backend.close()


def test_a_change_is_told(url: str) -> None:
    with stream(url) as events:
        Variable.set("colour", "red")
        change = events.next_change()
    assert change["kinds"] == [] or "variable" in change["kinds"]


def test_a_run_is_told_while_it_runs(url: str) -> None:
    with stream(url, "?kind=flow-run") as events:
        doubling()
        assert events.next_change()["kinds"] in ([], ["flow-run"])


def test_who_comes_back_is_told_what_was_missed(url: str) -> None:
    with stream(url) as events:
        Variable.set("colour", "red")
        events.next_change()
        last = events.id
    Variable.set("shape", "round")
    with stream(url) as others:
        # The server has published the change.
        Variable.set("size", "small")
        others.next_change()
    with stream(url, last=last) as events:
        events.next_change()


def test_who_comes_from_another_server_is_told_that_anything_may_have_changed(url: str) -> None:
    with stream(url, last="0123456789ab-7") as events:
        assert events.next_change() == {"kinds": [], "root_run_ids": None}


def test_a_server_stops_although_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = StoreBackend.in_memory()
    ended = threading.Event()

    def listen(url: str, began: threading.Event) -> None:
        with stream(url) as events:
            began.set()
            with pytest.raises((StopIteration, httpcore.RemoteProtocolError)):
                events.next_change()
            ended.set()

    with serving(backend) as url:
        began = threading.Event()
        listener = threading.Thread(target=listen, args=(url, began))
        listener.start()
        assert began.wait(10)
    listener.join(10)
    assert ended.is_set()
    backend.close()


def test_two_hundred_streams_are_told_at_once() -> None:
    async def tell() -> int:
        hub = Hub()
        hub._loop = asyncio.get_running_loop()

        async def told() -> bool:
            await hub.wait(0, 10)
            return hub.since(0) == Changes(frozenset({"log"}), None)

        streams = [asyncio.create_task(told()) for _ in range(200)]
        await asyncio.sleep(0)
        for _ in range(1000):
            hub.hear(Changes(frozenset({"log"}), None))
        found = sum(await asyncio.gather(*streams))
        # A thousand hints within a moment were one publication.
        assert hub.number == 1
        return found

    assert asyncio.run(tell()) == 200


def test_what_was_published_too_long_ago_may_have_been_anything() -> None:
    hub = Hub()
    assert hub.since(0) is None
    for _ in range(1500):
        hub._heard = Changes(frozenset({"log"}), None)
        hub._publish()
    assert hub.since(1499) == Changes(frozenset({"log"}), None)
    assert hub.since(3) == ANYTHING
    assert hub.since(1501) == ANYTHING


A, B = bytes(15) + b"a", bytes(15) + b"b"


@pytest.mark.parametrize(
    ("kinds", "roots", "changes", "told"),
    [
        ((), (), Changes(frozenset({"log"}), frozenset({A})), (["log"], [A])),
        ((), (), ANYTHING, ([], None)),
        (("log",), (), Changes(frozenset({"flow_run"}), None), None),
        (("log",), (), Changes(frozenset({"flow_run", "log"}), None), (["log"], None)),
        (("flow-run",), (), ANYTHING, (["flow-run"], None)),
        ((), (A,), Changes(frozenset({"log"}), frozenset({B})), None),
        ((), (A,), Changes(frozenset({"log"}), frozenset({A, B})), (["log"], [A])),
        ((), (A,), ANYTHING, ([], [A])),
    ],
)
def test_a_stream_is_told_what_it_is_about(kinds: Any, roots: Any, changes: Changes, told: Any) -> None:
    found = Subscription(frozenset(kinds), frozenset(roots)).of(changes)
    if told is None:
        assert found is None
    else:
        assert found is not None
        assert (found.kinds, found.root_run_ids and [id.bytes for id in found.root_run_ids]) == told


def test_a_stream_ends_so_that_the_other_side_shows_again_who_it_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(live, "_LONGEST", 0.0)
    with stream(url) as events, pytest.raises(StopIteration):
        events.next_change()


def test_an_id_with_a_number_that_is_none_stands_for_anything(url: str) -> None:
    with stream(url) as events:
        Variable.set("colour", "red")
        events.next_change()
        assert events.id is not None
    with stream(url, last=f"{events.id.partition('-')[0]}-{'9' * 5000}") as others:
        assert others.next_change() == {"kinds": [], "root_run_ids": None}


@pytest.mark.parametrize("kind", ["deployment", "work-pool", "worker"])
def test_deployments_pools_and_workers_are_told(kind: str) -> None:
    backend = StoreBackend.in_memory()
    with serving(backend) as url:
        pool = NewPool(name="machines")
        if kind != "work-pool":
            backend.create_pool(pool)
        with stream(url, f"?kind={kind}") as events:
            if kind == "work-pool":
                backend.create_pool(pool)
            elif kind == "worker":
                backend.worker_heartbeat(a_worker("machines"))
            else:
                backend.apply_deployment(DeploymentSpec(flow_name="etl", name="nightly", work_pool_name="machines"))
            assert events.next_change()["kinds"] in ([], [kind])
    backend.close()
