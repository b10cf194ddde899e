"""Lets a worker thread that is about to block hand its place in the pool to another thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from typing import Protocol


class Place(Protocol):
    """A worker's place in its pool."""

    def leave(self) -> None: ...
    def take(self) -> None: ...


_local = threading.local()


def set_place(place: Place | None) -> None:
    """Say which place this thread works in."""
    _local.place = place


@contextlib.contextmanager
def released() -> Generator[None]:
    """Give up this thread's place in its pool, if it has one, while the block waits for something."""
    place: Place | None = getattr(_local, "place", None)
    if place is None:
        yield
        return
    place.leave()
    try:
        yield
    finally:
        place.take()


def _forget() -> None:
    # The pool is the parent's: none of its threads is here, and its lock may be held for ever.
    set_place(None)


os.register_at_fork(after_in_child=_forget)
