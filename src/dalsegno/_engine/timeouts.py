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
from typing import Any, Protocol, cast

from dalsegno._engine.breaking import AGAIN, may_break, may_break_thread
from dalsegno._engine.timers import Timer, call_later

_GRACE = 0.25  # seconds that a body has to react to the exception before its thread is left behind

MakeError = Callable[[float], Exception]


class Expired(BaseException):
    """Raised inside a body whose time is up; not an Exception, so that a body cannot take it for its own."""


class TimeLimit(Protocol):
    """The time that a body has. It stands still between `hold` and `go_on`."""

    def hold(self) -> None: ...
    def go_on(self) -> None: ...
    def left(self) -> float:
        """Return the seconds that are left."""
        ...


class Turn:
    """Whose turn it is to go on with a life: whoever claims it first."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Take the turn; False if it is taken."""
        return self._lock.acquire(blocking=False)


@contextmanager
def limit(seconds: float | None, make_error: MakeError) -> Generator[TimeLimit | None]:
    """Interrupt the block, which runs in this thread, after `seconds`; then raise ``make_error(seconds)``."""
    if seconds is None:
        yield None
    elif threading.current_thread() is threading.main_thread():
        with _by_signal(seconds, make_error) as deadline:
            yield deadline
    else:
        with _by_exception(seconds, make_error) as watch:
            yield watch


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
        self._held: float | None = None
        self._timer = call_later(seconds, self._alarm)

    def left(self) -> float:
        return self.at - time.monotonic() if self._held is None else self._held

    def hold(self) -> None:
        with self._lock:
            self._timer.cancel()
            self._held = self.left()
            self.at = float("inf")

    def go_on(self) -> None:
        with self._lock:
            held, self._held = self._held or 0.0, None
            self.at = time.monotonic() + held
            if not self._over and self.fired is None:
                self._timer = call_later(max(0.0, held), self._alarm)

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
            if self._over or self.fired is not None or self._held is not None:
                return
            self._sent = True
            signal.pthread_kill(cast("int", threading.main_thread().ident), signal.SIGALRM)
            self._timer = call_later(AGAIN, self._alarm)


_deadlines: list[_Deadline] = []


@contextmanager
def _by_signal(seconds: float, make_error: MakeError) -> Generator[TimeLimit]:
    before = signal.signal(signal.SIGALRM, _on_alarm)
    try:
        mine = _Deadline(seconds)
    except BaseException:
        signal.signal(signal.SIGALRM, before)
        raise
    _deadlines.append(mine)
    try:
        yield mine
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
        self._held: float | None = None
        self._at = time.monotonic() + seconds
        self._timer: Timer = call_later(seconds, self._fire)

    def left(self) -> float:
        return self._at - time.monotonic() if self._held is None else self._held

    def hold(self) -> None:
        with self._lock:
            self._timer.cancel()
            self._held = self.left()

    def go_on(self) -> None:
        with self._lock:
            held, self._held = self._held or 0.0, None
            self._at = time.monotonic() + held
            if not self._over and not self.fired:
                self._timer = call_later(max(0.0, held), self._fire)

    def _fire(self) -> None:
        with self._lock:
            if self._over or self._held is not None:
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
def _by_exception(seconds: float, make_error: MakeError) -> Generator[TimeLimit]:
    watch = _Watch(seconds)
    try:
        yield watch
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
        nonlocal timer
        held = step.scope.time_limit
        if held is not None and held.left() > 0:
            timer = call_later(held.left() + _GRACE, give_up)  # it stood still meanwhile
            return
        if turn.claim():
            abandon(step.timeout_error(seconds))

    timer = call_later(seconds + _GRACE, give_up)
    try:
        return call(step)
    finally:
        timer.cancel()


# --- in coroutines


class _LoopLimit:
    """The time of a coroutine; used in its own loop."""

    def __init__(self, timeout: asyncio.Timeout, seconds: float) -> None:
        self._timeout = timeout
        self._seconds = seconds
        self._held: float | None = None

    def left(self) -> float:
        if self._held is not None:
            return self._held
        when = self._timeout.when()
        return self._seconds if when is None else when - asyncio.get_running_loop().time()

    def hold(self) -> None:
        self._held = self.left()
        self._timeout.reschedule(None)

    def go_on(self) -> None:
        held, self._held = self._held or 0.0, None
        if not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + held)


async def limit_async(
    awaitable: Awaitable[Any],
    seconds: float | None,
    make_error: MakeError,
    begun: Callable[[TimeLimit], None] = lambda limit: None,
) -> Any:
    """Await, for at most `seconds`; then cancel and raise ``make_error(seconds)``. `begun` is given its time."""
    if seconds is None:
        return await awaitable
    scope = asyncio.timeout(seconds)
    begun(_LoopLimit(scope, seconds))
    try:
        async with scope:
            return await awaitable
    except TimeoutError:
        if not scope.expired():
            raise
    raise make_error(seconds)
