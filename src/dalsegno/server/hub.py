"""Tells those who wait in this server what changed in the store: one listener for all of them.

The store's hints may be late, merged, or more than there was; so are these. Nobody is told twice within `INTERVAL`.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from dalsegno._store.changes import ANYTHING, Changes
from dalsegno._store.connection import Database

INTERVAL = 0.05
"""Seconds between two publications."""
_REMEMBERED = 1000
"""Publications that one who comes back can still be told of."""


class Hub:
    """What happened lately, by number. Its methods belong to the server's loop, but for `hear` and `stop_soon`."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:12]
        """Tells the numbers of this server from those of others."""
        self.stopping = False
        self._number = 0
        self._lately: deque[Changes] = deque(maxlen=_REMEMBERED)
        self._next = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._heard: Changes | None = None
        self._unlisten: Callable[[], None] | None = None
        self._published = float("-inf")
        self._handlers: dict[int, Any] = {}
        self.at_stop: list[Callable[[], None]] = []
        """Called when everybody is to be let go."""

    @property
    def number(self) -> int:
        """The number of the latest publication."""
        return self._number

    def start(self, database: Database) -> None:
        """Begin to listen, and to notice when the server is told to stop: streams then end, so that it can."""
        self._loop = asyncio.get_running_loop()
        self._unlisten = database.listen(self.hear)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.getsignal(number)
                signal.signal(number, self._on_signal)

    def stop(self) -> None:
        """Let everybody go who waits."""
        self.stopping = True
        self._next.set()
        for let_go in self.at_stop:
            let_go()
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def stop_soon(self) -> None:
        """Have everybody let go, from any thread or from a handler of signals."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.stop)

    def hear(self, changes: Changes) -> None:
        """Take note of what changed, from any thread."""
        with self._lock:
            pending = self._heard is not None
            self._heard = changes if self._heard is None else self._heard | changes
        if not pending and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish_soon)

    def since(self, number: int) -> Changes | None:
        """Return what changed after a publication; None: nothing. What is no longer known may have been anything."""
        missed = self._number - number
        if missed == 0:
            return None
        if missed < 0 or missed > len(self._lately):
            return ANYTHING
        found = self._lately[-1]
        for index in range(2, missed + 1):
            found = self._lately[-index] | found
        return found

    async def wait(self, number: int, timeout: float) -> None:
        """Wait for a publication after this one, for so many seconds at most, or for the server's end."""
        if self._number != number or self.stopping:
            return
        try:
            await asyncio.wait_for(self._next.wait(), timeout)
        except TimeoutError:
            return

    def _publish_soon(self) -> None:
        assert self._loop is not None
        left = self._published + INTERVAL - time.monotonic()
        if left > 0:
            self._loop.call_later(left, self._publish)
        else:
            self._publish()

    def _publish(self) -> None:
        with self._lock:
            changes, self._heard = self._heard, None
        if changes is None:
            return
        self._published = time.monotonic()
        self._number += 1
        self._lately.append(changes)
        published, self._next = self._next, asyncio.Event()
        published.set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_soon()
        before = self._handlers[number]
        if callable(before):
            before(number, frame)
