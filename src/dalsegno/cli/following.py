"""Waiting for something to change, cheaply: by the backend's change token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

INTERVAL_SECONDS = 0.1
CRASH_CHECK = 2 * times.SECOND


class Changes:
    """Iterates once at the beginning, and then each time that the backend may have changed, without end.

    Now and then it has the runs of dead processes marked, which shows as a change like any other.
    """

    def __init__(self, backend: Backend, interval: float = INTERVAL_SECONDS) -> None:
        self.backend = backend
        self.interval = interval

    def __iter__(self) -> Iterator[None]:
        pause = threading.Event()
        checked = times.now()
        token = self.backend.change_token()
        while True:
            yield
            while (newer := self.backend.change_token()) == token:
                pause.wait(self.interval)
                if times.now() - checked > CRASH_CHECK:
                    self.backend.find_crashed()
                    checked = times.now()
            token = newer


def has_ended(run: FlowRunView | None) -> bool:
    """Tell whether a run is over, or gone."""
    return run is None or run.state.type in TERMINAL_TYPES
