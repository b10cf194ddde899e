"""How a run that this process executes is coming along: read now and then, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from dalsegno.cli import times
from dalsegno.exceptions import BackendError
from dalsegno.model.states import STATE_CODES, STATE_NAMES, TERMINAL_TYPES, StateType
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

INTERVAL_SECONDS = 0.2
SEARCH_SECONDS = 0.02  # Until the run is there: it begins within milliseconds.
SHARE_OF_TIME = 20  # Reading may take one part in so many of the time, however large the run is.
NAMED = 5
RUNNING = [STATE_CODES[StateType.RUNNING]]
BROKEN = [STATE_CODES[StateType.FAILED], STATE_CODES[StateType.CRASHED]]
_OPEN_NAMES = {name for type_, names in STATE_NAMES.items() if type_ not in TERMINAL_TYPES for name in names}


class Progress(msgspec.Struct, frozen=True):
    """How a run stands."""

    run: FlowRunView
    counts: dict[str, int]
    """State name to number of task runs, of nested flows too."""
    running: list[TaskRunView]
    """A few of those that run, newest first."""
    broken: list[TaskRunView]
    """A few of those that failed or crashed, newest first."""
    at: int

    @property
    def known(self) -> int:
        """How many task runs there are so far."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return sum(number for name, number in self.counts.items() if name not in _OPEN_NAMES)


class Display(Protocol):
    """What shows progress."""

    def show(self, progress: Progress) -> None:
        """Show how the run stands now."""
        ...

    def close(self) -> None:
        """Leave the screen as it is to stay."""
        ...


def read_progress(backend: Backend, flow_run_id: bytes) -> Progress | None:
    """Return how a run stands, or None if it is not recorded yet."""
    run = backend.read_flow_run(flow_run_id)
    if run is None:
        return None
    mine = RunFilter(root_run_ids=[run.root_run_id])
    few = Page(limit=NAMED)
    return Progress(
        run=run,
        counts=backend.count_task_runs(mine),
        running=backend.list_task_runs(msgspec.structs.replace(mine, state_types=RUNNING), few),
        broken=backend.list_task_runs(msgspec.structs.replace(mine, state_types=BROKEN), few),
        at=times.now(),
    )


class Follower:
    """A thread that shows the progress of the run that `find` finds, until it is stopped.

    `find` returns the id of the flow run once it is known.
    """

    def __init__(self, backend: Backend, find: Callable[[], bytes | None], display: Display) -> None:
        self.backend = backend
        self.find = find
        self.display = display
        self.flow_run_id: bytes | None = None
        self.interrupted = threading.Event()
        self._wake = threading.Event()
        self._stopped = False
        self._asked = False
        self._thread = threading.Thread(target=self._run, name="dalsegno-progress", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def interrupt(self) -> None:
        """Have the run cancelled; may be called from a signal handler."""
        self.interrupted.set()
        self._wake.set()

    def stop(self) -> None:
        """Show how the run stands for the last time, and end."""
        self._stopped = True
        self._wake.set()
        self._thread.join()
        self.display.close()

    def _run(self) -> None:
        token: object = None
        while True:
            began = time.monotonic()
            stopped = self._stopped
            try:
                token = self._step(token)
            except BackendError:
                # The engine meets the same and says so; progress is only looked at.
                token = None
            if stopped:
                return
            spent = time.monotonic() - began
            interval = SEARCH_SECONDS if self.flow_run_id is None else INTERVAL_SECONDS
            self._wake.wait(max(interval, spent * SHARE_OF_TIME))
            self._wake.clear()

    def _step(self, token: object) -> object:
        newer = self.backend.change_token()
        if self.flow_run_id is None:
            self.flow_run_id = self.find()
        if self.flow_run_id is None:
            return newer
        if self.interrupted.is_set() and not self._asked:
            self._asked = True
            self.backend.request_cancel(self.flow_run_id)
        progress = read_progress(self.backend, self.flow_run_id) if newer != token else None
        if progress is not None:
            self.display.show(progress)
        return newer
