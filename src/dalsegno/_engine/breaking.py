"""Where a thread may be broken off from outside by an exception: in code of the user, and where the engine waits.

Anywhere else in our code (and in what it calls) a lock may have been taken whose release would then be missed, and the
run, or the process, would hang. Whoever wants to break a thread off looks first, and tries again a moment later.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

AGAIN = 0.005
"""Seconds after which to look again: what we do between two pieces of user code is short."""

_PACKAGE = str(Path(__file__).parent.parent) + os.sep
_WAITING = threading.Condition.wait.__code__
_doors: set[types.CodeType] = set()
_waits: set[types.CodeType] = set()


def door(fn: F) -> F:
    """Say that a function of ours calls code of the user (`step.fn`), and that this may be broken off."""
    _doors.add(fn.__code__)  # pyright: ignore[reportFunctionMemberAccess]
    return fn


def waits(fn: F) -> F:
    """Say that a function of ours waits, for as long as that takes, and that its wait may be broken off."""
    _waits.add(fn.__code__)  # pyright: ignore[reportFunctionMemberAccess]
    return fn


def may_break(frame: types.FrameType | None) -> bool:
    """Tell whether an exception may be raised where a thread stands."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            if code in _waits:
                return frame is innermost or (innermost is not None and innermost.f_code is _WAITING)
            if code not in _doors:
                return False
            # A body that is a function of C, such as time.sleep, has no frame of its own.
            return frame is not innermost or not hasattr(getattr(frame.f_locals.get("step"), "fn", None), "__code__")
        frame = frame.f_back
    return True


def may_break_thread(thread_id: int) -> bool:
    """Tell whether an exception may be raised in another thread, which does not move while this is asked."""
    frame = sys._current_frames().get(thread_id)  # pyright: ignore[reportPrivateUsage]
    return frame is not None and may_break(frame)


def try_again(fn: Callable[[], None]) -> bool:
    """Call a function in a moment, in another thread, from a signal handler too. False: it cannot be."""

    def wait_and_call() -> None:
        time.sleep(AGAIN)
        fn()

    try:
        _thread.start_new_thread(wait_and_call, ())  # a Thread object takes locks that this thread may hold
    except RuntimeError:
        return False
    return True
