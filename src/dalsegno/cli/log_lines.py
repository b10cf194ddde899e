"""Log lines as people read them: time, level, the run that wrote it, message."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.screen import Screen
from dalsegno.model.views import LogView, Page, RunFilter

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

CHUNK = 200
_COLOURS = ((logging.ERROR, "red"), (logging.WARNING, "yellow"), (logging.INFO, None), (0, "dim"))


def read_level(text: str) -> int:
    """Return the number of a level given by name or number. Raises CommandError if it is none."""
    known = logging.getLevelNamesMapping()
    if text.isdecimal():
        return int(text)
    if text.upper() not in known:
        raise CommandError(f"{text!r} is no level; write DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    return known[text.upper()]


class LogPrinter:
    """Prints lines, and remembers the names of the task runs that wrote them."""

    def __init__(self, backend: Backend, screen: Screen) -> None:
        self.backend = backend
        self.screen = screen
        self.names: dict[bytes, str] = {}

    def show(self, lines: Iterable[LogView]) -> LogView | None:
        """Print lines as they come; return the last, or None if there were none."""
        last: LogView | None = None
        for chunk in _chunks(iter(lines)):
            self._learn_names(chunk)
            print("\n".join(self.text(line) for line in chunk), flush=True)
            last = chunk[-1]
        return last

    def text(self, line: LogView) -> str:
        """Return one line as text; further lines of its message are indented."""
        colour = next(colour for level, colour in _COLOURS if line.level >= level)
        level = self.screen.paint(logging.getLevelName(line.level).ljust(8), colour)
        writer = self.names.get(line.task_run_id, "") if line.task_run_id else ""
        message = line.message.replace("\n", "\n    ")
        return f"{times.clock(line.timestamp)}  {level}  {writer + ': ' if writer else ''}{message}"

    def _learn_names(self, lines: list[LogView]) -> None:
        unknown = {line.task_run_id for line in lines if line.task_run_id} - self.names.keys()
        if unknown:
            runs = self.backend.list_task_runs(RunFilter(ids=list(unknown)), Page(limit=len(unknown)))
            self.names |= {run.id: run.name for run in runs}


def _chunks(lines: Iterator[LogView]) -> Iterator[list[LogView]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk
