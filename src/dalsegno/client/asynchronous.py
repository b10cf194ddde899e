"""The client whose operations are awaited: sends calls over `httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import Any, Self, TypeVar

import httpx

from dalsegno.client.calls import Call, Id, Pages
from dalsegno.client.events import Listening
from dalsegno.client.exchanges import Server
from dalsegno.client.operations import Operations
from dalsegno.model.resources.live import Change

T = TypeVar("T")


class Client(Operations):
    """A client of a server's REST API, for one event loop; close it, or use it with `async with`."""

    def __init__(self, httpx_settings: Mapping[str, Any] | None = None) -> None:
        self._server = Server(httpx_settings)
        self.settings = self._server.settings
        # For what is asked in ways of one's own.
        self.http = httpx.AsyncClient(**self._server.httpx_settings)

    @property
    def api_url(self) -> str:
        """The URL of the API."""
        return self._server.url

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, call: Call[T]) -> T:
        """Have a call answered. Raises BackendError."""
        exchange = self._server.exchange(call)
        while True:
            try:
                response = await self.http.request(**exchange.request)
            except httpx.TransportError as error:
                pause = exchange.pause_without_answer(error)
            else:
                pause = exchange.pause_after(response.status_code)
                if pause is None:
                    return exchange.read(response)
            await asyncio.sleep(pause)

    async def walk(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Iterate over what is on the pages of a list."""
        cursor: str | None = None
        while True:
            page = await self.send(pages.at(cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def live(self, kinds: Iterable[str] = (), *, root_run_ids: Iterable[Id] = ()) -> AsyncGenerator[Change]:
        """Iterate over what changes, without end, as `SyncClient.live` does."""
        listening = Listening(self._server, kinds, root_run_ids)
        while True:
            try:
                async with self.http.stream(**listening.request) as response:
                    if not response.is_success:
                        await response.aread()
                    pause = listening.pause_after(response)
                    if pause is None:
                        async for chunk in response.aiter_bytes():
                            for change in listening.feed(chunk):
                                yield change
                        pause = listening.pause_without_answer(EOFError("the stream ended"))
            except httpx.TransportError as error:
                pause = listening.pause_without_answer(error)
            await asyncio.sleep(pause)
