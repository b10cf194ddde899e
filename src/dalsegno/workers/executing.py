"""The process of one run: executes an attempt that the worker claimed, reports, and ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time

from dalsegno.exceptions import BackendError, BackendUnavailable, DalsegnoException
from dalsegno.workers.orders import Execute, Report, frame

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def execute_and_exit(order: Execute, report: int) -> None:
    """Do what was ordered, say on the handle `report` how it went, and end the process."""
    status = 1
    try:
        outcome = execute(order)
        status = 0 if outcome.concluded else 1
        _deliver_all()
        _end_in_order()
        os.write(report, frame(outcome))
    finally:
        _flush()
        os._exit(status)


def execute(order: Execute) -> Report:
    """Execute an attempt, or call the hooks of a run whose own process could not."""
    from dalsegno._engine.deployed import set_deployment
    from dalsegno.flow_runs import ClaimedAttempt

    set_deployment(order.deployment)
    try:
        attempt = ClaimedAttempt(order.flow_run_id, order.attempt, order.entrypoint)
    except BaseException as error:
        return Report(message=f"It could not be begun: {_told(error)}")
    try:
        if order.hooks:
            attempt.call_hooks()
            return Report(concluded=True)
        attempt.execute()
    except BackendError as error:
        return Report(message=f"Its end could not be recorded: {_told(error)}")
    except BaseException as error:
        # What broke it off was recorded before it was raised.
        return Report(concluded=attempt.concluded, message=_told(error))
    return Report(concluded=True)


def _deliver_all() -> None:
    """Wait until the server has all, if it is away: this process lives as long as what it did is not recorded.

    Whoever sees it gone would take the run for crashed.
    """
    from dalsegno._backend.connect import connect
    from dalsegno._engine.session import journal_for

    backend = connect()
    pause = _FIRST_PAUSE
    while backend.spools:
        try:
            return journal_for(backend).catch_up()
        except BackendUnavailable:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    return None


def _told(error: BaseException) -> str:
    if isinstance(error, DalsegnoException):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _end_in_order() -> None:
    """Do what Python does when a program ends: join its threads, and call what was registered for its end."""
    from dalsegno._engine.session import close_journals

    threading._shutdown()  # pyright: ignore
    try:
        close_journals(tidy=False)  # The worker does that for all of them.
    except BackendError as error:
        print(f"The end of what ran here could not be recorded: {error}", file=sys.stderr)
    atexit._run_exitfuncs()  # pyright: ignore


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
