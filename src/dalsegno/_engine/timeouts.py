"""Ends bodies that take too long: by signal in the main thread, by an asynchronous exception in others, by
cancellation in coroutines. What cannot be stopped is left behind, and its run ends on time all the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from dalsegno._engine.breaking import AGAIN, may_break, may_break_thread
from dalsegno._engine.timers import Timer, call_later

_GRACE = 0.25  # seconds that a body has to react to the exception before its thread is left behind

MakeError = Callable[[float], Exception]


class Expired(BaseException):
    """Raised inside a body whose time is up; not an Exception, so that a body cannot take it for its own."""


class Turn:
    """Whose turn it is to go on with a life: whoever claims it first."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Take the turn; False if it is taken."""
        return self._lock.acquire(blocking=False)


@contextmanager
def limit(seconds: float | None, make_error: MakeError) -> Generator[None]:
    """Interrupt the block, which runs in this thread, after `seconds`; then raise ``make_error(seconds)``."""
    if seconds is None:
        yield
    elif threading.current_thread() is threading.main_thread():
        with _by_signal(seconds, make_error):
            yield
    else:
        with _by_exception(seconds, make_error):
            yield


# --- in the main thread


class _Deadline:
    """The end of one block. When it has come, the main thread is sent an alarm, again and again until that is heeded.

    An alarm of the whole process (`signal.setitimer`) may be taken by any thread, which wakes nobody, and one that
    comes just before a thread waits in the system is seen only when that wait is over.
    """

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.fired: Expired | None = None
        self._sent = False
        self._lock = threading.Lock()
        self._over = False
        self._timer = call_later(seconds, self._alarm)

    def end(self) -> None:
        """Send no alarm any more; one that was sent has reached the handler when this returns."""
        self._timer.cancel()
        with self._lock:
            self._over = True
        if self._sent:
            # What is pending for a thread is delivered when it comes back from the system.
            os.getppid()

    def _alarm(self) -> None:
        with self._lock:
            if self._over or self.fired is not None:
                return
            self._sent = True
            signal.pthread_kill(cast("int", threading.main_thread().ident), signal.SIGALRM)
            self._timer = call_later(AGAIN, self._alarm)


_deadlines: list[_Deadline] = []


@contextmanager
def _by_signal(seconds: float, make_error: MakeError) -> Generator[None]:
    before = signal.signal(signal.SIGALRM, _on_alarm)
    try:
        mine = _Deadline(seconds)
    except BaseException:
        signal.signal(signal.SIGALRM, before)
        raise
    _deadlines.append(mine)
    try:
        yield
    except Expired as expired:
        if expired is not mine.fired:
            raise
        raise make_error(seconds) from None
    finally:
        _deadlines.remove(mine)
        mine.end()
        signal.signal(signal.SIGALRM, before)


def _on_alarm(_number: int, frame: Any) -> None:
    if not may_break(frame):
        return
    # The outermost first: when it ends, so does all that is inside.
    now = time.monotonic()
    for deadline in _deadlines:
        if deadline.fired is None and deadline.at <= now:
            deadline.fired = Expired()
            raise deadline.fired


# --- in other threads


class _Watch:
    """Raises an exception of its own kind in a thread when time is up."""

    def __init__(self, seconds: float) -> None:
        self.kind = type("Expired", (Expired,), {})
        self.fired = False
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._over = False
        self._timer: Timer = call_later(seconds, self._fire)

    def _fire(self) -> None:
        with self._lock:
            if self._over:
                return
            if may_break_thread(self._thread):
                self.fired = True
                raise_in_thread(self._thread, self.kind)
            else:
                self._timer = call_later(AGAIN, self._fire)

    def end(self) -> None:
        """The body is over; if the exception is on its way, let it arrive here rather than later."""
        self._timer.cancel()
        with self._lock:
            self._over = True
        if self.fired:
            try:
                for _ in range(1000):
                    time.sleep(0)
            except Expired as expired:
                if type(expired) is not self.kind:
                    raise


def raise_in_thread(thread_id: int, kind: type[BaseException] | None) -> None:
    """Have a thread raise an exception at its next Python instruction (CPython's PyThreadState_SetAsyncExc).

    None takes back one that is on its way.
    """
    wanted = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), wanted)


@contextmanager
def _by_exception(seconds: float, make_error: MakeError) -> Generator[None]:
    watch = _Watch(seconds)
    try:
        yield
    except Expired as expired:
        if type(expired) is not watch.kind:
            raise
        watch.fired = False
        raise make_error(seconds) from None
    finally:
        watch.end()
    if watch.fired:
        raise make_error(seconds)


def call_in_thread(step: Any, call: Callable[[Any], Any], turn: Turn, abandon: Callable[[BaseException], None]) -> Any:
    """Call a body of a pooled task; if it does not end on time nor when told, `abandon` goes on without it."""
    seconds: float = step.timeout

    def give_up() -> None:
        if turn.claim():
            abandon(step.timeout_error(seconds))

    timer = call_later(seconds + _GRACE, give_up)
    try:
        return call(step)
    finally:
        timer.cancel()


# --- in coroutines


async def limit_async(awaitable: Awaitable[Any], seconds: float | None, make_error: MakeError) -> Any:
    """Await, for at most `seconds`; then cancel and raise ``make_error(seconds)``."""
    if seconds is None:
        return await awaitable
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await awaitable
    except TimeoutError:
        if not scope.expired():
            raise
    raise make_error(seconds)
