"""Waiting for something to change, without polling: the backend wakes who waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from dalsegno._backend.protocol import Backend

INTERVAL_SECONDS = 0.05
CRASH_CHECK_SECONDS = 2.0


class Changes:
    """Iterates once at the beginning, and then each time that the backend may have changed.

    A change after a quiet time is seen at once, those of a busy time every `interval` seconds. Now and then it has the
    runs of dead processes marked, which shows as a change like any other. It ends after `timeout` seconds, if there
    are any, having looked once more, and soon after `stop` was set.
    """

    def __init__(
        self,
        backend: Backend,
        interval: float = INTERVAL_SECONDS,
        timeout: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.backend = backend
        self.interval = interval
        self.timeout = timeout
        self.stop = stop or threading.Event()

    def __iter__(self) -> Iterator[None]:
        ends = float("inf") if self.timeout is None else time.monotonic() + self.timeout
        next_check = time.monotonic() + CRASH_CHECK_SECONDS
        token = self.backend.change_token()
        while True:
            seen = time.monotonic()
            yield
            if seen >= ends or self.stop.is_set():
                return
            self.stop.wait(max(0.0, min(seen + self.interval, ends) - time.monotonic()))
            while time.monotonic() < ends and not self.stop.is_set():
                newer = self.backend.wait_for_change(token, max(0.0, min(next_check, ends) - time.monotonic()))
                if newer != token:
                    token = newer
                    break
                if time.monotonic() >= next_check:
                    self.backend.find_crashed()
                    next_check = time.monotonic() + CRASH_CHECK_SECONDS
