"""`dalsegno flow-run watch`: follows a run's states and log to its end, and ends as the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dalsegno._backend.changes import Changes
from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode, of_outcome
from dalsegno.cli.flow_run_logs import cursor, log_pages
from dalsegno.cli.flow_run_page import next_step
from dalsegno.cli.log_lines import LogPrinter
from dalsegno.cli.looks import state_text
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.cli.screen import standard_output
from dalsegno.model.states import TERMINAL_TYPES, StateRecord, StateType
from dalsegno.model.views import FlowRunView, LogView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dalsegno._backend.protocol import Backend


def watch(
    run: FlowRunTarget,
    /,
    *,
    tail: Annotated[int, Parameter(help="How many lines of its log so far to begin with.")] = 20,
) -> int:
    """Follow a flow run to its end; the exit code is that of the run's outcome."""
    backend = open_backend()
    found = find_flow_run(backend, run)
    watcher = Watcher(backend, found.id, tail)
    for _ in Changes(backend):
        view = backend.read_flow_run(found.id)
        if view is None:
            print(f"Flow run {found.name!r} was deleted.")
            return ExitCode.NOT_FOUND
        watcher.show(view)
        watcher.tell_how_to_resume(view)
        if view.state.type in TERMINAL_TYPES:
            print(next_step(view), end="\n" if next_step(view) else "")
            return of_outcome(view.state.type)
    raise AssertionError("changes never end")


class Watcher:
    """Prints each state and each line of a run's log once, in the order of time."""

    def __init__(self, backend: Backend, flow_run_id: bytes, tail: int) -> None:
        self.backend = backend
        self.flow_run_id = flow_run_id
        self.tail = tail
        self.screen = standard_output()
        self.printer = LogPrinter(backend, self.screen)
        self.is_first = True
        self.last: LogView | None = None
        self.pauses_told: set[bytes] = set()
        self.states_shown: set[tuple[int, int]] = set()

    def show(self, run: FlowRunView) -> None:
        """Print what is new since the last time."""
        lines = list(self.new_lines())
        for state in self.new_states(run.states or [run.state]):
            earlier = [line for line in lines if line.timestamp <= state.timestamp]
            self.last = self.printer.show(earlier) or self.last
            lines = lines[len(earlier) :]
            message = f": {state.message}" if state.message else ""
            print(f"{times.clock(state.timestamp)}  {state_text(state, self.screen)}{message}", flush=True)
        self.last = self.printer.show(lines) or self.last

    def tell_how_to_resume(self, run: FlowRunView) -> None:
        """Print, once for each pause, how a run is resumed that waits for somebody."""
        if run.state.type is StateType.PAUSED:
            new = {pause.id for pause in run.pauses or () if pause.kind != "sleep"} - self.pauses_told
            self.pauses_told |= new
            if new:
                print(next_step(run), flush=True)

    def new_lines(self) -> Sequence[LogView]:
        """Return the log lines that were not shown; at first the last few."""

        def fetch(**options: object) -> Sequence[LogView]:
            return self.backend.list_logs(flow_run_id=self.flow_run_id, **options)  # pyright: ignore[reportArgumentType]

        if self.is_first:
            self.is_first = False
            return list(log_pages(fetch, self.tail, newest_first=True))[::-1]
        return list(log_pages(fetch, after=None if self.last is None else cursor(self.last)))

    def new_states(self, states: Sequence[StateRecord]) -> list[StateRecord]:
        """Return the states that were not shown."""
        new = [state for state in states if (state.attempt, state.position) not in self.states_shown]
        self.states_shown |= {(state.attempt, state.position) for state in new}
        return new
