"""The client whose operations are called: sends calls over `httpx.Client`."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

import httpx

from dalsegno.client.calls import Call, Id, Pages
from dalsegno.client.events import Listening
from dalsegno.client.exchanges import Server
from dalsegno.client.operations import Operations
from dalsegno.model.resources.live import Change

T = TypeVar("T")


class SyncClient(Operations):
    """A client of a server's REST API. Any threads may share it; close it, or use it with `with`."""

    def __init__(self, httpx_settings: Mapping[str, Any] | None = None) -> None:
        self._server = Server(httpx_settings)
        self.settings = self._server.settings
        # For what is asked in ways of one's own.
        self.http = httpx.Client(**self._server.httpx_settings)

    @property
    def api_url(self) -> str:
        """The URL of the API."""
        return self._server.url

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, call: Call[T]) -> T:
        """Have a call answered. Raises BackendError."""
        exchange = self._server.exchange(call)
        while True:
            try:
                response = self.http.request(**exchange.request)
            except httpx.TransportError as error:
                pause = exchange.pause_without_answer(error)
            else:
                pause = exchange.pause_after(response.status_code)
                if pause is None:
                    return exchange.read(response)
            time.sleep(pause)

    def walk(self, pages: Pages[T]) -> Iterator[T]:
        """Iterate over what is on the pages of a list."""
        cursor: str | None = None
        while True:
            page = self.send(pages.at(cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def live(self, kinds: Iterable[str] = (), *, root_run_ids: Iterable[Id] = ()) -> Generator[Change]:
        """Iterate over what changes, without end; where a stream breaks off, the next goes on where it was.

        A change is a hint: several may be told as one, and it may say more than has changed.

        Args:
            kinds: Only changes of these, such as ``"flow-run"``; none: of all.
            root_run_ids: Only changes of these root flow runs; none: of all.
        """
        listening = Listening(self._server, kinds, root_run_ids)
        while True:
            try:
                with self.http.stream(**listening.request) as response:
                    if not response.is_success:
                        response.read()
                    pause = listening.pause_after(response)
                    if pause is None:
                        for chunk in response.iter_bytes():
                            yield from listening.feed(chunk)
                        pause = listening.pause_without_answer(EOFError("the stream ended"))
            except httpx.TransportError as error:
                pause = listening.pause_without_answer(error)
            time.sleep(pause)
