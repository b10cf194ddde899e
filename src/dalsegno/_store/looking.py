"""Being told of changes where nobody tells: a thread that waits for the next one and calls those who listen."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from dalsegno._store import forks
from dalsegno._store.changes import ANYTHING, Listener
from dalsegno.exceptions import BackendError

_TURN = 60.0
_AGAIN = 1.0

_log = logging.getLogger("dalsegno.store")


class Watched(Protocol):
    """What can be waited for."""

    def change_token(self) -> Any: ...
    def wait_for_change(self, token: Any, timeout: float) -> Any: ...


class Looking:
    """Calls listeners whenever the token of a database has changed. What changed it does not know."""

    def __init__(self, watched: Watched) -> None:
        self._watched = weakref.proxy(watched)
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        forks.register(self)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call a function after each change; return a function that ends that."""
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="dalsegno-looking", daemon=True)
                self._thread.start()

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def close(self) -> None:
        """End. What is waited for ends the thread's wait when it is closed."""
        self._closed.set()

    def start_anew(self) -> None:
        """Forget the parent's thread, in the process that was forked."""
        self._lock = threading.Lock()
        self._listeners = []
        self._thread = None

    def _run(self) -> None:
        token: Any = None
        while not self._closed.is_set():
            try:
                new = self._watched.wait_for_change(token, _TURN)
            except (BackendError, ReferenceError):
                # It is away or closed; when it is back, anything may have changed.
                self._closed.wait(_AGAIN)
                new = None
            if new == token or self._closed.is_set():
                continue
            token = new
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                try:
                    listener(ANYTHING)
                except Exception:
                    # The others are to be told all the same, and this one the next time.
                    _log.exception("A listener of changes failed.")
