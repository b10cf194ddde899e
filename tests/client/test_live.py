"""`live` tells what changes, and goes on where a stream broke off."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from dalsegno import flow, get_client
from dalsegno.client import SyncClient
from dalsegno.client.events import Listening
from dalsegno.client.exchanges import Server
from dalsegno.exceptions import BackendUnavailable, NotAllowed
from dalsegno.settings import temporary_settings
from dalsegno.variables import Variable


@flow
def nothing() -> None: ...


def test_a_change_is_told(url: str) -> None:
    def tell(_: httpx.Response) -> None:
        # The stream is open.
        teller.start()

    teller = threading.Thread(target=lambda: Variable.set("limit", 1))
    with get_client({"event_hooks": {"response": [tell]}}, sync_client=True) as client:
        changes = client.live(["variable"])
        assert next(changes).kinds == ["variable"]
        changes.close()
    teller.join()


def test_what_was_missed_between_two_streams_is_told(url: str, client: SyncClient) -> None:
    listening = Listening(Server(None), ["variable"], [])
    with client.http.stream(**listening.request) as response:
        list(listening.feed(next(response.iter_bytes())))
    client.set_variable("limit", 1)
    assert listening.request["headers"]["last-event-id"]
    with client.http.stream(**listening.request) as response:
        chunks = response.iter_bytes()
        told = next(change for chunk in chunks for change in listening.feed(chunk))
    assert told.kinds == ["variable"]


def test_in_coroutines_it_is_iterated_over_too(url: str) -> None:
    async def main() -> None:
        runs: list[asyncio.Task[Any]] = []

        async def run(_: httpx.Response) -> None:
            runs.append(asyncio.create_task(asyncio.to_thread(nothing)))

        async with get_client({"event_hooks": {"response": [run]}}) as client:
            changes = client.live(["flow-run"])
            assert (await anext(changes)).kinds == ["flow-run"]
            await changes.aclose()
        await runs[0]

    asyncio.run(main())


def test_who_may_not_listen_is_told_so(url: str) -> None:
    with (
        temporary_settings({"DALSEGNO_API_KEY": "dsn_wrong"}),
        get_client(sync_client=True) as client,
        pytest.raises(NotAllowed),
    ):
        next(client.live())


def test_an_event_may_come_in_pieces(url: str) -> None:
    listening = Listening(Server(None), [], [])
    pieces = [
        b"retry: 1000\n",
        b"id: a-1\n\n: quiet\n\nid: a-2\nevent: cha",
        b'nge\ndata: {"kinds": ["log"], ',
        b'"root',
    ]
    assert [change for piece in pieces for change in listening.feed(piece)] == []
    assert listening.request["headers"] == {"last-event-id": "a-1"}
    text = b"".join(pieces).split(b"\n\n", 2)[2] + b'_run_ids": null}\n\n'
    (change,) = listening.feed(text)
    assert change.kinds == ["log"]
    assert listening.request["headers"] == {"last-event-id": "a-2"}


def test_a_stream_that_ends_is_opened_again_for_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_WAIT", "0.2")
    asked: list[str | None] = []

    def end(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        return httpx.Response(200, content=b"retry: 1000\nid: a-1\n\n")

    with (
        get_client({"transport": httpx.MockTransport(end)}, sync_client=True) as client,
        pytest.raises(BackendUnavailable, match="the stream ended"),
    ):
        next(client.live())
    assert asked[:2] == [None, "a-1"]
