"""Progress as plain lines, where standard error is no terminal: few, and none twice."""

from __future__ import annotations

import sys

from dalsegno.cli import times
from dalsegno.cli.flow_run_page import counts_text
from dalsegno.cli.progress import Progress
from dalsegno.model.ids import id_text
from dalsegno.model.states import TERMINAL_TYPES

SECONDS_BETWEEN = 5


class PlainDisplay:
    """Writes the id of the run, and from time to time how many task runs are in which state."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.counts: dict[str, int] = {}

    def show(self, progress: Progress) -> None:
        """Write a line if it is time for one and something has changed; the end is told by others."""
        run = progress.run
        if run.state.type in TERMINAL_TYPES:
            return
        if self.next is None:
            self.write(f"Flow run {run.name!r} of {run.flow_name!r}: {id_text(run.id)}")
            self.next = progress.at + SECONDS_BETWEEN * times.SECOND
        elif progress.at >= self.next and progress.counts != self.counts:
            took = times.elapsed(run.start_time, None, progress.at)
            self.write(f"Flow run {run.name!r} after {took}: {counts_text(progress.counts)}{names(progress)}")
            self.counts = progress.counts
            self.next = progress.at + SECONDS_BETWEEN * times.SECOND

    def close(self) -> None:
        """Nothing is left to be done."""

    def write(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def names(progress: Progress) -> str:
    """Return the names of what runs and of what broke: ``"; running: load-9f5"``."""
    parts = [("running", progress.running), ("failed", progress.broken)]
    return "".join(f"; {what}: {', '.join(run.name for run in runs)}" for what, runs in parts if runs)
