"""How long, and in which steps, to wait for a server that cannot be reached."""

from __future__ import annotations

import random
import time

_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 2.0


class Patience:
    """Tells how long to pause before the next attempt; pauses grow, and differ from one who waits to the next."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew: there was an answer."""
        self._give_up = time.monotonic() + self._seconds
        self._pause = _FIRST_PAUSE

    def next_pause(self) -> float | None:
        """Return the seconds to pause; None: it was waited long enough."""
        if time.monotonic() + self._pause > self._give_up:
            return None
        pause = self._pause * (0.5 + random.random() / 2)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause
