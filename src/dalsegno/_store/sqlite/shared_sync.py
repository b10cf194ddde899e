"""One sync of a file for all who wait for one: syncing takes milliseconds, and covers whatever was committed before."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SharedSync:
    """Calls a function for many threads at once: a call that begins after somebody asked will do for them."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = threading.Condition()
        self._asked = 0
        self._done = 0
        self._busy = False

    def __call__(self) -> None:
        """Return once the function was called, and came to its end, after this. Raises what it raises."""
        covered = self._await_turn()
        if covered is None:
            return
        done = 0
        try:
            self._sync()
            done = covered
        finally:
            with self._turn:
                self._busy = False
                self._done = max(self._done, done)
                self._turn.notify_all()

    def _await_turn(self) -> int | None:
        """Wait until it is done (None), or until this thread is to do it: for all who have asked until then."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            while self._done < mine:
                if not self._busy:
                    self._busy = True
                    return self._asked
                self._turn.wait()
        return None
