"""Progress on a terminal: a bar, what runs, what failed, the time; what the flow prints scrolls above."""

from __future__ import annotations

import sys

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dalsegno.cli import times
from dalsegno.cli.flow_run_page import counts_text, first_lines
from dalsegno.cli.looks import look
from dalsegno.cli.progress import Progress
from dalsegno.model.states import TERMINAL_TYPES, StateRecord
from dalsegno.model.views import TaskRunView

BAR = 40


class LiveDisplay:
    """Draws on standard error, and lets what is printed meanwhile pass above."""

    def __init__(self, console: Console | None = None) -> None:
        self.progress: Progress | None = None
        self.live = Live(
            get_renderable=self.render,
            console=console or Console(stderr=True),
            refresh_per_second=8,
            transient=True,
            # What is redirected is drawn by the console: output that goes to a file must stay out of it.
            redirect_stdout=sys.stdout.isatty(),
        )
        self.live.start()

    def show(self, progress: Progress) -> None:
        """Draw how the run stands now."""
        self.progress = progress

    def close(self) -> None:
        """Take the drawing away; what is to stay is printed by others."""
        self.live.stop()

    def render(self) -> RenderableType:
        """Return what is drawn: the time goes on even if nothing else does."""
        if self.progress is None:
            return Text("Starting ...", style="dim")
        return draw(self.progress, times.now())


def draw(progress: Progress, at: int) -> RenderableType:
    """Return the drawing of a run."""
    lines: list[RenderableType] = [headline(progress, at), bar(progress)]
    lines += [task_line(run, at) for run in progress.broken]
    lines += [task_line(run, at) for run in progress.running]
    return Group(*lines)


def headline(progress: Progress, at: int) -> Text:
    run = progress.run
    end = run.end_time if run.state.type in TERMINAL_TYPES else None
    took = times.elapsed(run.start_time, end, at)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append_text(state(run.state))
    text.append(f"  {run.flow_name}", style="bold")
    text.append(f"  {run.name}  {took}")
    return text


def bar(progress: Progress) -> RenderableType:
    """Return the bar: what has ended of what is known so far."""
    grid = Table.grid(padding=(0, 1))
    numbers = f"{progress.ended} of {progress.known} " if progress.known else "no task runs yet"
    grid.add_row(
        ProgressBar(total=progress.known or 1, completed=progress.ended, width=BAR),
        Text(numbers),
        Text(counts_text(progress.counts), style="dim"),
    )
    return grid


def task_line(run: TaskRunView, at: int) -> Text:
    """Return a line on one task run."""
    text = Text("  ", no_wrap=True, overflow="ellipsis")
    text.append_text(state(run.state))
    took = times.elapsed(run.start_time, run.end_time, at)
    text.append(f"  {run.name}  {took}")
    if run.state.type in TERMINAL_TYPES:
        text.append("  " + " ".join(first_lines(run.state, 1)), style="dim")
    return text


def state(record: StateRecord) -> Text:
    """Return a state with its shape and colour."""
    shape, _, colour = look(record.type, record.name)
    return Text(f"{shape} {record.name}", style=colour, no_wrap=True, overflow="ellipsis")
