"""Breaking off one body that runs in a thread of this process, from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from dalsegno._engine.breaking import AGAIN, may_break_thread
from dalsegno._engine.steps import Call
from dalsegno._engine.timeouts import raise_in_thread
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import RunCancelled

GRACE = 0.25
"""Seconds that a body has to react before it is left behind."""


class Body:
    """One call of a body, as others see it.

    Invariant: the exception is raised in the thread only while that is in the call; what arrives late is taken out of
    the thread before it goes on.
    """

    __slots__ = ("_lock", "_thread", "_told", "_raised", "_on_return")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._told = False
        self._raised = False
        self._on_return: Callable[[], None] | None = None

    def run(self, call: Callable[[Call], Any], step: Call) -> Any:
        """Call the body in this thread."""
        self._thread = threading.get_ident()
        try:
            return call(step)
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._thread = None
        if self._raised:
            self._absorb()
        if self._on_return is not None:
            self._on_return()

    def stop(self) -> bool:
        """Have the body raise RunCancelled at its next instruction that may be broken off; False if it does not run."""
        with self._lock:
            if self._thread is None:
                return False
            if not self._told:
                self._told = True
                self._break_off(self._thread)
            return True

    def _break_off(self, thread: int) -> None:
        """Raise in the thread, or a moment later if it stands where that may not be."""
        if may_break_thread(thread):
            self._raised = True
            raise_in_thread(thread, RunCancelled)
        else:
            call_later(AGAIN, self._break_off_later)

    def _break_off_later(self) -> None:
        with self._lock:
            if self._thread is not None:
                self._break_off(self._thread)

    def leave_behind(self, on_return: Callable[[], None]) -> bool:
        """Wait for it no more; `on_return` is called in its thread if it returns one day. False if it has."""
        with self._lock:
            if self._thread is None:
                return False
            self._on_return = on_return
            return True

    def _absorb(self) -> None:
        """Let an exception that is still on its way arrive here."""
        try:
            for _ in range(1000):
                time.sleep(0)
        except RunCancelled:
            return
