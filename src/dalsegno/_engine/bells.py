"""Bells of those who wait for something that others write: they ring when that may have come, to have a look.

One thread of the process listens to the backend for all of them, while there are any. It rings more often than there
is something to see, and at the least now and then.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import blocking
from dalsegno._engine.breaking import waits
from dalsegno._engine.steps import Step, WaitFor
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import BackendError, BackendUnavailable

_LONGEST = 10.0
"""Seconds after which a bell rings in any case."""
_AT_LEAST = 0.05
"""Seconds between two rings, where much changes that concerns nobody here."""
_AGAIN = 1.0
"""Seconds until a backend that cannot be reached is listened to again."""


class Bell:
    """Done once it has rung. It is to be made before one looks, so that nothing is missed between."""

    def __init__(self) -> None:
        self._future: Future[None] = Future()

    @property
    def done(self) -> bool:
        return self._future.done()

    def ring(self) -> None:
        with _lock:
            if not self._future.done():
                self._future.set_result(None)

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        self._future.add_done_callback(lambda _: fn(self))

    @waits
    def wait(self) -> None:
        with blocking.released():
            self._future.result()

    async def wait_async(self) -> None:
        with blocking.released():
            # Others may wait for the same bell: that one was cancelled does not end their wait.
            await asyncio.shield(asyncio.wrap_future(self._future))


def until(session: Any, look: Callable[[], Generator[Step, Any, float | None]]) -> Generator[Step, Any, None]:
    """Look again and again, each time that something may have changed, until `look` gives None.

    It gives the seconds after which it wants to look in any case. Raises what `session.check` does, if the run is to
    stop meanwhile. A backend that is away is waited for: whoever waits for hours outlives its restarts.
    """
    with _listening(session.backend) as watch:
        while True:
            bell = Bell()
            watch.add(bell)
            try:
                left = yield from look()
            except BackendUnavailable:
                left = _AGAIN
            if left is None:
                return
            timer = call_later(min(left, _LONGEST), bell.ring)
            try:
                with session.woken(bell.ring):
                    yield WaitFor([bell])
            finally:
                timer.cancel()
            session.check()


class _Watch:
    """Listens to one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._bells: weakref.WeakSet[Bell] = weakref.WeakSet()
        self.listeners = 0
        self._ended = threading.Event()

    def add(self, bell: Bell) -> None:
        with _lock:
            self._bells.add(bell)

    def start(self) -> None:
        threading.Thread(target=self._run, name="dalsegno-bells", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _ring(self) -> None:
        with _lock:
            bells = list(self._bells)
            self._bells.clear()
        for bell in bells:
            bell.ring()

    def _run(self) -> None:
        token: Any = None
        while not self._ended.is_set():
            try:
                newer = self._backend.change_token() if token is None else self._backend.wait_for_change(token, 2.0)
            except BackendUnavailable:
                token = None
                self._ended.wait(_AGAIN)
                continue
            except BackendError:
                self._ring()  # who waits meets the same when they look, and says so
                return
            if newer != token:
                # Of the first token nothing is known: what was written before it may not have been seen.
                token = newer
                self._ring()
                self._ended.wait(_AT_LEAST)


_lock = threading.RLock()
_watches: dict[int, _Watch] = {}


@contextmanager
def _listening(backend: Backend) -> Generator[_Watch]:
    key = id(backend)
    with _lock:
        watch = _watches.get(key)
        if watch is None:
            watch = _watches[key] = _Watch(backend)
            watch.start()
        watch.listeners += 1
    try:
        yield watch
    finally:
        with _lock:
            watch.listeners -= 1
            if watch.listeners == 0:
                watch.end()
                if _watches.get(key) is watch:
                    del _watches[key]


def _forget() -> None:
    global _lock
    _lock = threading.RLock()
    _watches.clear()


os.register_at_fork(after_in_child=_forget)
