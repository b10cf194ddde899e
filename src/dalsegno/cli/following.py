"""Waiting for something to change, without polling: the backend wakes who waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

INTERVAL_SECONDS = 0.05
CRASH_CHECK_SECONDS = 2.0


class Changes:
    """Iterates once at the beginning, and then each time that the backend may have changed, without end.

    A change after a quiet time is seen at once, those of a busy time every `interval` seconds. Now and then it has the
    runs of dead processes marked, which shows as a change like any other.
    """

    def __init__(self, backend: Backend, interval: float = INTERVAL_SECONDS) -> None:
        self.backend = backend
        self.interval = interval

    def __iter__(self) -> Iterator[None]:
        next_check = time.monotonic() + CRASH_CHECK_SECONDS
        token = self.backend.change_token()
        while True:
            seen = time.monotonic()
            yield
            time.sleep(max(0.0, seen + self.interval - time.monotonic()))
            while (newer := self.backend.wait_for_change(token, next_check - time.monotonic())) == token:
                if time.monotonic() >= next_check:
                    self.backend.find_crashed()
                    next_check = time.monotonic() + CRASH_CHECK_SECONDS
            token = newer


def has_ended(run: FlowRunView | None) -> bool:
    """Tell whether a run is over, or gone."""
    return run is None or run.state.type in TERMINAL_TYPES
