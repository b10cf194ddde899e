"""Breaks off the body of a root run from outside: SIGTERM, a cancellation that was asked for, a lost attempt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dalsegno._engine.breaking import AGAIN, may_break, may_break_thread, try_again
from dalsegno._engine.runs import CANCELLED, FlowRun
from dalsegno._engine.session import Session
from dalsegno._engine.timeouts import raise_in_thread
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import RunCancelled, TerminationSignal

Interrupt = Callable[[type[BaseException]], None]


class Listener:
    """What breaks off the body of a root run, in the thread that executes it."""

    def __init__(self, session: Session, by_signal: bool) -> None:
        self._session = session
        self._by_signal = by_signal
        self._thread_id = threading.get_ident()
        self._lock = threading.Lock()
        self._over = False
        self._told = False
        """An interrupt of ours is on its way to the thread."""
        self._deferred = False
        """A signal has come where nothing may be raised, and comes again."""
        self.terminated = False
        """The process was told to end: it does once all is recorded."""

    def interrupt(self, reason: type[BaseException]) -> None:
        """Break off the body, from another thread."""
        with self._lock:
            if self._over or self._session.was_heard_in(self._thread_id):
                return
            if self._by_signal:
                self._told = True
                signal.pthread_kill(self._thread_id, signal.SIGTERM)  # breaks off blocking calls too
            elif may_break_thread(self._thread_id):
                self._told = True
                raise_in_thread(self._thread_id, reason)
            else:
                call_later(AGAIN, lambda: self.interrupt(reason))

    def on_signal(self, number: int, frame: Any) -> None:
        if self._told and self._session.was_heard_in(self._thread_id):
            # The engine said so first. Said twice, it would break off what the body takes back on its way out.
            self._told = self._deferred = False
            return
        self._deferred = not (self._over or may_break(frame)) and self._try_again(number)
        if self._deferred:
            return
        stop = self._session.stop if self._told else None
        self._told = False
        if self._over:
            self.terminated = self.terminated or stop is None
        elif stop is not None:
            raise stop("The run was told to stop.")
        else:
            raise TerminationSignal(number)

    def _try_again(self, number: int) -> bool:
        """Have the signal come again in a moment. False: it cannot be."""

        def send() -> None:
            with self._lock:
                if not self._over:
                    signal.pthread_kill(self._thread_id, number)

        return try_again(send)

    def end(self) -> None:
        """The body is over: from here on nothing is raised in this thread any more."""
        with self._lock:
            self._over = True
        if self._deferred and not self._told:
            self.terminated = True
        if self._by_signal:
            signal.pthread_sigmask(signal.SIG_BLOCK, ())  # a signal that is on its way arrives here, and is noted
        elif self._told:
            raise_in_thread(self._thread_id, None)


@contextmanager
def listening(session: Session, run: FlowRun) -> Generator[Listener]:
    """While a sync body runs in this thread, let it be broken off. Say `end` to what it gives when the body is over."""
    in_main = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGTERM) if in_main else None
    ours = in_main and before in (signal.SIG_DFL, None)
    listener = Listener(session, ours)
    on_signal = listener.on_signal
    if ours:
        _handlers.append(on_signal)
        signal.signal(signal.SIGTERM, on_signal)
    session.interrupts.append(listener.interrupt)
    try:
        yield listener
    except TerminationSignal:
        listener.terminated = True
    except RunCancelled:
        if not came_too_late(run):
            raise
    finally:
        listener.end()
        session.interrupts.clear()
        if ours:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
            if on_signal in _handlers:  # a forked child that leaves through its parent's body has none
                _handlers.remove(on_signal)
    if listener.terminated:
        # All is recorded; now end as the signal wanted, so that whoever sent it sees it.
        session.journal.barrier()
        os.kill(os.getpid(), signal.SIGTERM)


def came_too_late(run: FlowRun) -> bool:
    """Tell whether a run had ended, in its own way, before the wish to cancel it came to it."""
    return run.ended and run.history[-1][0] != CANCELLED


@contextmanager
def listening_in_loop(session: Session, run: FlowRun) -> Generator[None]:
    """While an async body runs in this loop's current task, let it be broken off."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    over = False

    def cancel() -> None:
        if task is not None and not over:
            task.cancel()

    def interrupt(_reason: type[BaseException]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the body with it
            loop.call_soon_threadsafe(cancel)

    session.interrupts.append(interrupt)
    try:
        with _signals_in_loop(session, interrupt):
            yield
    except asyncio.CancelledError:
        if session.stop is None:
            raise
        if task is not None:
            task.uncancel()
        if not came_too_late(run):
            raise RunCancelled("The run was cancelled.") from None
    finally:
        over = True
        session.interrupts.clear()


@contextmanager
def _signals_in_loop(session: Session, interrupt: Interrupt) -> Generator[None]:
    """Note which signal broke a body off; SIGINT is still the loop's own to act on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    of_interrupt: Any = signal.getsignal(signal.SIGINT)
    of_termination: Any = signal.getsignal(signal.SIGTERM)

    def on_interrupt(number: int, frame: Any) -> None:
        session.signal = KeyboardInterrupt()
        of_interrupt(number, frame)

    def on_termination(number: int, frame: Any) -> None:
        session.signal = TerminationSignal(number)
        interrupt(TerminationSignal)
        if callable(of_termination):
            of_termination(number, frame)

    ours: dict[signal.Signals, tuple[Any, Any]] = {}
    if callable(of_interrupt) and of_interrupt is not signal.default_int_handler:
        ours[signal.SIGINT] = (on_interrupt, of_interrupt)
    if of_termination in (signal.SIG_DFL, None) or of_termination in _handlers:
        ours[signal.SIGTERM] = (on_termination, of_termination or signal.SIG_DFL)
        _handlers.append(on_termination)
    for number, (handler, _) in ours.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, (handler, before) in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before)
        if on_termination in _handlers:
            _handlers.remove(on_termination)
        if isinstance(session.signal, TerminationSignal) and not callable(of_termination):
            session.journal.barrier()
            os.kill(os.getpid(), signal.SIGTERM)


# A child that user code forks out of a body must end at a SIGTERM as any process: the run is not its own to record.
# The signal is blocked across the fork, since one that arrives before Python has set the child up would be lost.

_handlers: list[Any] = []
_SIGTERM = {signal.SIGTERM}


def _before_fork() -> None:
    if _handlers:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGTERM)


def _after_fork_in_parent() -> None:
    if _handlers:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGTERM)


def _after_fork_in_child() -> None:
    if _handlers:
        if signal.getsignal(signal.SIGTERM) in _handlers:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _handlers.clear()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGTERM)


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
