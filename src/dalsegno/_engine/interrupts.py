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

    process_id = os.getpid()

    def on_signal(number: int, _frame: Any) -> None:
        if os.getpid() != process_id:
            # User code forked: the child inherited this handler, but the run is not its own to end.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
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
        yield
    except asyncio.CancelledError:
        if session.stop is None:
            raise
        if task is not None:
            task.uncancel()
        raise RunCancelled("The run was cancelled.") from None
    finally:
        session.interrupts.clear()
