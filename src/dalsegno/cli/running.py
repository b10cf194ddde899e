"""Executes a run in this process: shows its progress, lets Ctrl-C cancel it, and ends as the run ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode, of_outcome
from dalsegno.cli.flow_run_page import counts_text, next_step
from dalsegno.cli.looks import state_text
from dalsegno.cli.plain_display import PlainDisplay
from dalsegno.cli.progress import Display, Follower
from dalsegno.cli.screen import screen_of
from dalsegno.exceptions import PausedRun
from dalsegno.model.ids import id_text
from dalsegno.model.records import ProcessRecord
from dalsegno.model.states import TERMINAL_TYPES, StateType
from dalsegno.model.views import FlowRunView, Page, RunFilter

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

CANDIDATES = 20
SUSPENDED = "Suspended"
"""The state of a run that its process has left."""


def execute(backend: Backend, call: Callable[[], object], find: Callable[[], bytes | None]) -> ExitCode:
    """Call what executes a run, and return the exit code for how the run ended.

    `find` returns the id of the flow run once it is recorded. Errors that ended no run are raised.
    """
    began = times.now()
    follower = Follower(backend, find, display())
    follower.start()
    error: BaseException | None = None
    outcome: object = None
    try:
        with interrupts(follower.interrupt):
            outcome = call()
    except BaseException as raised:
        error = raised
    finally:
        follower.stop()
    found = follower.flow_run_id or suspended_run(error, outcome)
    run = None if found is None else backend.read_flow_run(found)
    if run is None or not (run.state.type in TERMINAL_TYPES or run.state.name == SUSPENDED):
        if error is not None:
            raise error
        return ExitCode.FAILED
    print(summary(run, times.now() - began), file=sys.stderr)
    if follower.interrupted.is_set() or isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return of_outcome(run.state.type)


def suspended_run(error: BaseException | None, outcome: object) -> bytes | None:
    """Return the flow run that an error, or a state, says to wait: one that was suspended at once is no process's."""
    from dalsegno.states import State

    state = error.state if isinstance(error, PausedRun) else outcome
    if not isinstance(state, State) or state.name != SUSPENDED:
        return None
    id = state.state_details.flow_run_id
    return None if id is None else id.bytes


def display() -> Display:
    """Return what shows progress on standard error."""
    if not sys.stderr.isatty():
        return PlainDisplay()
    from dalsegno.cli.live_display import LiveDisplay

    return LiveDisplay()


@contextlib.contextmanager
def interrupts(on_first: Callable[[], None]) -> Generator[None]:
    """Have the first Ctrl-C call `on_first`, and each further one raise KeyboardInterrupt as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if os.getpid() != process:
            # A child that user code forked has the handler, but no run to cancel.
            signal.default_int_handler(number, frame)
        print("Cancelling; press Ctrl-C again to break off at once.", file=sys.stderr)
        on_first()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_of_this_process(backend: Backend, since: int) -> Callable[[], bytes | None]:
    """Return a function that finds the first top-level flow run that this process began after a time."""

    def find() -> bytes | None:
        filter = RunFilter(top_level=True, after=since)
        for candidate in backend.list_flow_runs(filter, Page(limit=CANDIDATES, oldest_first=True)):
            run = backend.read_flow_run(candidate.id)
            if run is not None and run.process is not None and is_this_process(run.process):
                return run.id
        return None

    return find


def is_this_process(process: ProcessRecord) -> bool:
    return process.pid == os.getpid() and process.host == os.uname().nodename


def summary(run: FlowRunView, took: int) -> str:
    """Return the last lines on a run: how it ended after `took` microseconds, and what can be done."""
    screen = screen_of(sys.stderr)
    counts = counts_text(run.task_run_counts or {})
    line = f"{state_text(run.state, screen)}  {run.flow_name}  {run.name}  {id_text(run.id)}"
    line += f"  in {times.duration(took)}"
    line += f": {counts}" if counts else ""
    parts = [line, run.state.message if run.state.type is not StateType.COMPLETED else "", next_step(run)]
    return "\n".join(part for part in parts if part)
