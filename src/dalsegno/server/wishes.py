"""Tells processes with runs, over their long polls, that somebody may want something of those.

One thread waits at the store for all of them. Who asks for the first time, or comes back after a wish that this server
did not tell them of, is told at once: what was wanted meanwhile was told to nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict

from dalsegno._store.connection import Database
from dalsegno.exceptions import BackendError, BackendUnavailable

_TURN = 30.0
_AGAIN = 1.0
_REMEMBERED = 10_000
"""Processes of which it is known what they were told of."""


class Wishes:
    """How many wishes were heard of. Its methods belong to the server's loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number = 0
        self._told: OrderedDict[bytes, int] = OrderedDict()
        self._next = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = threading.Event()

    async def wait(self, process_id: bytes, timeout: float) -> bool:
        """Wait until a process is to ask what is wanted of its runs; False: nothing was in so many seconds."""
        if self._loop is None:
            self._start()
        if self._told.get(process_id) == self._number and not self._stopped.is_set():
            try:
                await asyncio.wait_for(self._next.wait(), timeout)
            except TimeoutError:
                return False
        self._told[process_id] = self._number
        self._told.move_to_end(process_id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True

    def stop(self) -> None:
        """Let everybody go who waits."""
        self._stopped.set()
        self._next.set()

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, name="dalsegno-wishes", daemon=True).start()

    def _listen(self) -> None:
        assert self._loop is not None
        while not self._stopped.is_set():
            try:
                heard = self._database.wait_for_wish(_TURN)
            except BackendUnavailable:
                self._stopped.wait(_AGAIN)
                continue
            except BackendError:
                return  # it was closed
            if heard and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._number += 1
        told, self._next = self._next, asyncio.Event()
        told.set()
        if self._stopped.is_set():
            self._next.set()
