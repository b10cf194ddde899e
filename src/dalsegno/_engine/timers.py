"""Calls functions later, from one thread for the whole process: delays of retries, deadlines of timeouts."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable


class Timer:
    """A call that is due; `cancel` it if it is no longer wanted."""

    __slots__ = ("due", "function", "cancelled")

    def __init__(self, due: float, function: Callable[[], None]) -> None:
        self.due = due
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _Clock:
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, function)
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dalsegno-timers", daemon=True)
                thread.start()
                self._thread = thread
            heapq.heappush(self._heap, (timer.due, next(self._count), timer))
            if self._heap[0][2] is timer:
                self._changed.notify()
        return timer

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                timer = heapq.heappop(self._heap)[2]
            if not timer.cancelled:
                try:
                    timer.function()
                except Exception:
                    # All other retries and timeouts of the process wait for this thread.
                    logging.getLogger("dalsegno").exception("A timer failed")


_clock = _Clock()


def call_later(seconds: float, function: Callable[[], None]) -> Timer:
    """Call `function`, which must be short and not raise, in `seconds` from now, in the timers' thread."""
    return _clock.call_later(seconds, function)


def _forget() -> None:
    global _clock
    _clock = _Clock()


os.register_at_fork(after_in_child=_forget)
