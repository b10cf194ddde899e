"""Slots of concurrency limits, as code that runs gets them: waiting in line, holding, giving back.

Waiting is written once, as a life of steps: it holds no worker of a pool and blocks no loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import blocking, slot_keeper
from dalsegno._engine.steps import Block, Step, WaitFor
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    BackendUnavailable,
    ConcurrencySlotAcquisitionError,
)
from dalsegno.model.limits import AcquireSlots, SlotAnswer

if TYPE_CHECKING:
    from dalsegno._journal.journal import Journal

_ASKS_AGAIN = 5.0
"""Seconds after which a server that could not be reached is asked again which tags are limited."""


class Wakeup:
    """Done after some seconds, or when slots were given back in this process."""

    def __init__(self, seconds: float) -> None:
        self._future: Future[None] = Future()
        with _lock:
            _waiting.add(self)
        call_later(seconds, self.set)

    @property
    def done(self) -> bool:
        return self._future.done()

    def set(self) -> None:
        with _lock:
            if not self._future.done():
                self._future.set_result(None)

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        self._future.add_done_callback(lambda _: fn(self))

    def wait(self) -> None:
        with blocking.released():
            self._future.result()

    async def wait_async(self) -> None:
        with blocking.released():
            await asyncio.wrap_future(self._future)


_waiting: weakref.WeakSet[Wakeup] = weakref.WeakSet()
_lock = threading.RLock()


def take(
    backend: Backend,
    request: AcquireSlots,
    *,
    timeout: float | None = None,
    max_retries: int | None = None,
    on_wait: Callable[[SlotAnswer], Generator[Step, Any, None]] | None = None,
) -> Generator[Step, Any, SlotAnswer]:
    """Wait in line until the slots are there.

    Raises AcquireConcurrencySlotTimeoutError after `timeout` seconds, and ConcurrencySlotAcquisitionError where waiting
    is no use, or after so many further questions.
    """
    give_up = None if timeout is None else time.monotonic() + timeout
    asked = 0
    try:
        while True:
            answer = yield Block(lambda: backend.acquire_slots(request))
            if answer.granted:
                return answer
            if asked == 0 and on_wait is not None:
                yield from on_wait(answer)
            asked += 1
            left = answer.retry_after if give_up is None else min(answer.retry_after, give_up - time.monotonic())
            if left <= 0:
                raise AcquireConcurrencySlotTimeoutError(
                    f"No slot of {answer.waits_for!r} was to be had within {timeout:g} second(s)."
                )
            if max_retries is not None and asked > max_retries:
                raise ConcurrencySlotAcquisitionError(
                    f"No slot of {answer.waits_for!r} was to be had in {asked} attempt(s)."
                )
            yield WaitFor([Wakeup(left)])
    except BaseException:
        give_back(backend, request.id)
        raise


def give_back(backend: Backend, id: bytes) -> None:
    """Give slots back, or leave the line; later, from another thread, if the server cannot be reached now."""
    slot_keeper.forget(id)
    try:
        backend.release_slots([id])
    except BackendUnavailable:
        slot_keeper.release_later(backend, id)
    with _lock:
        woken = list(_waiting)
    for wakeup in woken:
        wakeup.set()


def limited_tags(journal: Journal) -> Generator[Step, Any, frozenset[str]]:
    """Return the tags whose task runs are limited: as the last receipt told, or else by asking, once."""
    known = journal.limited_tags
    if known is not None or time.monotonic() < journal.ask_tags_at:
        return known or frozenset()
    try:
        journal.know_tags((yield Block(journal.backend.limited_tags)))
    except BackendUnavailable:
        # A run that is called directly begins without its server too.
        journal.ask_tags_at = time.monotonic() + _ASKS_AGAIN
    return journal.limited_tags or frozenset()


def _forget() -> None:
    global _lock, _waiting
    _lock = threading.RLock()
    _waiting = weakref.WeakSet()


os.register_at_fork(after_in_child=_forget)
