"""Breaks off the body of a root run from outside: SIGTERM, a cancellation that was asked for, a lost attempt."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dalsegno._engine.runs import FlowRun
from dalsegno._engine.session import Session
from dalsegno._engine.timeouts import raise_in_thread
from dalsegno.exceptions import RunCancelled, TerminationSignal

Interrupt = Callable[[type[BaseException]], None]


@contextmanager
def listening(session: Session, run: FlowRun) -> Generator[None]:
    """While a sync body runs in this thread, let it be broken off."""
    thread_id = threading.get_ident()
    in_main = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGTERM) if in_main else None
    ours = in_main and before in (signal.SIG_DFL, None)

    def on_signal(number: int, _frame: Any) -> None:
        if session.stop is not None and session.interrupts:
            session.interrupts.clear()
            raise session.stop("The run was told to stop.")
        raise TerminationSignal(number)

    def interrupt(reason: type[BaseException]) -> None:
        if ours:
            signal.pthread_kill(thread_id, signal.SIGTERM)  # breaks off blocking calls too
        else:
            raise_in_thread(thread_id, reason)

    if ours:
        _handlers.append(on_signal)
        signal.signal(signal.SIGTERM, on_signal)
    session.interrupts.append(interrupt)
    terminated = False
    try:
        yield
    except TerminationSignal:
        terminated = True
    finally:
        session.interrupts.clear()
        if ours:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
            if on_signal in _handlers:  # a forked child that leaves through its parent's body has none
                _handlers.remove(on_signal)
    if terminated:
        # All is recorded; now end as the signal wanted, so that whoever sent it sees it.
        session.journal.barrier()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def listening_in_loop(session: Session) -> Generator[None]:
    """While an async body runs in this loop's current task, let it be broken off."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt(_reason: type[BaseException]) -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    session.interrupts.append(interrupt)
    try:
        with _signals_in_loop(session, interrupt):
            yield
    except asyncio.CancelledError:
        if session.stop is None:
            raise
        if task is not None:
            task.uncancel()
        raise RunCancelled("The run was cancelled.") from None
    finally:
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
