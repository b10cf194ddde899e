"""A proxy before several servers: each request goes to the next one, and to another if that does not answer.

It leaves `connection: keep-alive` to others: every request has a connection of its own, so what is passed on is bytes.
A connection that breaks in the middle breaks for the client too, as with any proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import Counter
from types import TracebackType

_CHUNK = 65_536


class RoundRobin:
    """The proxy, in a thread of its own; `served` counts requests by port."""

    def __init__(self, ports: list[int]) -> None:
        self.served: Counter[int] = Counter()
        self.latest: dict[str, int] = {}
        """The port that took the latest request for a path."""
        self.broken = 0
        """Requests that got no answer at all."""
        self._ports = ports
        self._turn = itertools.count()
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._there = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")

    def __enter__(self) -> RoundRobin:
        self._thread.start()
        assert self._there.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._there.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # One more turn, in which the transports close.
        await asyncio.sleep(0)

    async def _pass_on(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = await client.readuntil(b"\r\n\r\n")
            lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
            server, forth, port = await self._next_server()
            self.latest[lines[0].split(b" ")[1].decode().partition("?")[0]] = port
            forth.write(b"\r\n".join([*lines, b"connection: close", b"", b""]))
            upwards = asyncio.create_task(_copy(client, forth))
            try:
                if not await _copy(server, back):
                    self.broken += 1
            finally:
                upwards.cancel()
                forth.close()
        except (asyncio.IncompleteReadError, OSError):
            self.broken += 1
        finally:
            back.close()
            self._tasks.discard(task)

    async def _next_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
        first = next(self._turn)
        for index in range(len(self._ports)):
            port = self._ports[(first + index) % len(self._ports)]
            with contextlib.suppress(OSError):
                server, forth = await asyncio.open_connection("127.0.0.1", port)
                self.served[port] += 1
                return server, forth, port
        raise ConnectionRefusedError("no server is there")


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> int:
    """Copy bytes to their end; return how many there were."""
    count = 0
    while data := await source.read(_CHUNK):
        count += len(data)
        target.write(data)
        await target.drain()
    return count
