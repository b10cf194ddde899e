"""What a client does where there is no server, none that answers, or none of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dalsegno import get_client
from dalsegno.client import SyncClient
from dalsegno.exceptions import BackendError, BackendUnavailable, ConfigurationError

URL = "http://127.0.0.1:4299/api"
HEALTH = {"status": "ok"}


class Script:
    """Plays a server: answers or fails as it was told, one after the other; the last for ever."""

    def __init__(self, *steps: int | type[httpx.TransportError]) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, int):
            return httpx.Response(step, json=HEALTH if step == 200 else {"detail": "Busy."})
        raise step("gone")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], SyncClient]:
    monkeypatch.setenv("DALSEGNO_API_URL", URL)
    monkeypatch.setenv("DALSEGNO_API_WAIT", "0.2")
    return lambda script: get_client({"transport": httpx.MockTransport(script)}, sync_client=True)


@pytest.mark.parametrize("sync_client", [True, False])
def test_without_a_server_it_says_how_to_get_one(sync_client: bool) -> None:
    with pytest.raises(ConfigurationError, match="DALSEGNO_API_URL is not set.*dalsegno server start"):
        get_client(sync_client=sync_client)


@pytest.mark.parametrize("step", [502, 503, 504, httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_what_only_reads_is_asked_again(played: Any, step: Any) -> None:
    script = Script(step, step, 200)
    with played(script) as client:
        assert client.read_health().status == "ok"
    assert len(script.requests) == 3


@pytest.mark.parametrize("step", [503, httpx.ReadTimeout])
def test_what_changes_something_is_not_asked_again_once_it_was_sent(played: Any, step: Any) -> None:
    script = Script(step, 200)
    with played(script) as client, pytest.raises(BackendUnavailable):
        client.create_user("ann", "correct horse battery")
    assert len(script.requests) == 1


def test_what_was_not_sent_is_sent_again(played: Any) -> None:
    script = Script(httpx.ConnectError, 404)
    with played(script) as client, pytest.raises(BackendError):
        client.delete_variable("limit")
    assert len(script.requests) == 2


def test_with_an_etag_a_change_may_be_asked_for_again(played: Any) -> None:
    script = Script(httpx.ReadTimeout, 404)
    with played(script) as client, pytest.raises(BackendError):
        client.delete_variable("limit", if_match='"1"')
    assert [request.headers["if-match"] for request in script.requests] == ['"1"'] * 2


def test_after_a_while_it_gives_up(played: Any) -> None:
    script = Script(503)
    with played(script) as client, pytest.raises(BackendUnavailable, match="Busy"):
        client.read_health()
    assert len(script.requests) > 1


def test_other_refusals_are_not_asked_again(played: Any) -> None:
    script = Script(500)
    with played(script) as client, pytest.raises(BackendUnavailable):
        client.read_health()
    assert len(script.requests) == 1


def test_nobody_at_the_address_is_said_in_both_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DALSEGNO_API_WAIT", "0")
    with get_client(sync_client=True) as client, pytest.raises(BackendUnavailable, match="cannot be reached"):
        client.read_health()

    async def ask() -> None:
        async with get_client() as client:
            await client.read_health()

    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        asyncio.run(ask())


def test_what_is_none_of_ours_is_said(played: Any) -> None:
    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>")

    with (
        played(page) as client,
        pytest.raises(BackendError, match="cannot be read.*DALSEGNO_API_URL"),
    ):
        client.read_health()


def test_it_says_who_asks_and_takes_further_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", URL.removesuffix("/api"))
    monkeypatch.setenv("DALSEGNO_API_KEY", "dsn_key")
    script = Script(200)
    settings = {"transport": httpx.MockTransport(script), "headers": {"x-team": "data"}}
    with get_client(settings, sync_client=True) as client:
        client.read_health()
    (request,) = script.requests
    assert str(request.url) == f"{URL}/health"
    assert request.headers["authorization"] == "Bearer dsn_key"
    assert request.headers["x-team"] == "data"
    assert "dalsegno-version" in request.headers
