"""Waiting, in the body of a run, for something that takes long and is not of this process."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from dalsegno._engine import blocking
from dalsegno._engine.breaking import waits
from dalsegno._engine.session import Session

T = TypeVar("T")


def wait_outside(session: Session, wait: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return what `wait` returns, which is called in a thread of its own; meanwhile the place in the pool is given up.

    A timeout, a signal and a wish to cancel break it off; then, and in any case at the end, `stop` is called, which
    has to end `wait` soon.
    """
    done = threading.Event()
    came: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            came.append(wait())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(call,), name="dalsegno-waiting", daemon=True).start()
    try:
        with blocking.released(), session.woken(done.set):
            _until(done)
        session.check()
    finally:
        stop()
    if errors:
        raise errors[0]
    return came[0]


@waits
def _until(done: threading.Event) -> None:
    done.wait()
