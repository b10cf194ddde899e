"""A thread that waits until somebody may want something of this process's runs; what it is a heartbeat then tells."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dalsegno._backend.protocol import Backend
from dalsegno._journal.carrier import say
from dalsegno.exceptions import BackendError, BackendUnavailable

_TURN = 20.0  # seconds that one wait may take
_FIRST_PAUSE = 1.0  # seconds, after a failure
_LONGEST_PAUSE = 10.0


class Ear:
    """Calls a function, in its own thread, whenever anything may be wanted; heartbeats go on without it."""

    def __init__(self, backend: Backend, process_id: bytes, on_heard: Callable[[], None]) -> None:
        self._backend = backend
        self._process_id = process_id
        self._on_heard = on_heard
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def listen(self) -> None:
        """Begin, if it has not begun yet."""
        if self._thread is not None or self._closed.is_set():
            return
        self._thread = threading.Thread(target=self._run, name="dalsegno-wishes", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            say(f"Wishes for the runs of this process are heard of with its heartbeats only: {error}.")

    def close(self) -> None:
        """End; a wait that goes on ends with the process or with its backend."""
        self._closed.set()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                heard = self._backend.wait_for_wish(self._process_id, _TURN)
            except BackendUnavailable:
                # The heartbeats meet the same and say so.
                self._closed.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except BackendError:
                return  # it was closed, or is a server that does not know of this
            else:
                pause = _FIRST_PAUSE
                if heard and not self._closed.is_set():
                    self._on_heard()
