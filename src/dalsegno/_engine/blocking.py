"""Lets a worker thread or a coroutine that is about to wait hand its place in the pool to another one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from contextvars import ContextVar
from typing import Protocol


class Place(Protocol):
    """The place of a worker in its pool, or of a coroutine among those that may run."""

    def leave(self) -> None: ...
    def take(self) -> None: ...


_local = threading.local()
_of_coroutine: ContextVar[Place | None] = ContextVar("dalsegno_place", default=None)

set_place_of_coroutine = _of_coroutine.set
"""Says, in the context of a coroutine, which place it has."""


def set_place(place: Place | None) -> None:
    """Say which place this thread works in."""
    _local.place = place


@contextlib.contextmanager
def placed(place: Place) -> Generator[None]:
    """Work in a place for a while, in a thread that is not the place's own."""
    before: Place | None = getattr(_local, "place", None)
    set_place(place)
    try:
        yield
    finally:
        set_place(before)


@contextlib.contextmanager
def released() -> Generator[None]:
    """Give up the place in which this code runs, if it has one, while the block waits for something."""
    place: Place | None = getattr(_local, "place", None) or _of_coroutine.get()
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
    set_place_of_coroutine(None)


os.register_at_fork(after_in_child=_forget)
