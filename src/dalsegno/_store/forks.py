"""What holds threads, locks or connections forgets its parent's in a process that was forked."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that a fork leaves in a state that is the parent's."""

    def start_anew(self) -> None:
        """Forget what is the parent's; called in the child, before anything else there."""
        ...


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def register(thing: Forked) -> None:
    """Have a thing start anew in each child, for as long as it is there."""
    _all.add(thing)


def _after_fork_in_child() -> None:
    for thing in list(_all):
        thing.start_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
