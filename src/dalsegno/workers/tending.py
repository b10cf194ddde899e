"""What a server does besides answering, done by a worker where there is none: schedules tick, leases end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import BackendError

_LOOK_AGAIN = 5.0
"""Seconds after which a server that did it may be gone, or a database be back."""


def tend_until(told_to_stop: threading.Event, backend: Callable[[], Backend], logger: logging.Logger) -> None:
    """Tend to the database until the worker is told to stop: nobody would execute what becomes due after that."""
    quiet = False
    while not told_to_stop.is_set():
        try:
            again = backend().tend()
            quiet = False
        except BackendError as error:
            if not quiet and not told_to_stop.is_set():
                logger.warning("Schedules cannot be looked at now; it is tried again: %s", error)
            again, quiet = None, True
        told_to_stop.wait(_LOOK_AGAIN if again is None else again)
