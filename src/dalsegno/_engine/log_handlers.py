"""The two places where log lines go: the terminal, and the journal of the run in which they are written."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any, TextIO

from dalsegno._engine.log_lines import current_run, label_of, line_of, text_of

COLOURS = {
    logging.DEBUG: "\x1b[2m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
PLAIN = "\x1b[0m"


class OnceHandler(logging.Handler):
    """Takes a record once, by however many loggers it arrives."""

    def handle(self, record: logging.LogRecord) -> bool:
        mark = f"_seen_by_{type(self).__name__}"
        if mark in record.__dict__:
            return False
        record.__dict__[mark] = True
        return bool(super().handle(record))


class ConsoleHandler(OnceHandler):
    """Writes lines to standard error: ``14:03:07.250 | INFO    | Task run 'clean-4f1' - message``."""

    def __init__(self, max_line_size: int) -> None:
        super().__init__()
        self.max_line_size = max_line_size

    def emit(self, record: logging.LogRecord) -> None:
        if root_shows(record):
            return
        try:
            stream = sys.stderr
            stream.write(self._line(record, with_colour=has_colours(stream)))
            stream.flush()
        except Exception:
            self.handleError(record)

    def _line(self, record: logging.LogRecord, with_colour: bool) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname:<7}"
        colour = COLOURS.get(record.levelno)
        if with_colour and colour:
            level = f"{colour}{level}{PLAIN}"
        text = text_of(record, self.max_line_size)
        return f"{clock}.{int(record.msecs):03} | {level} | {_speaker(record)} - {text}\n"


class JournalHandler(OnceHandler):
    """Hands lines that are written inside a run to the run's journal. Does no I/O."""

    def __init__(self, max_line_size: int) -> None:
        super().__init__()
        self.max_line_size = max_line_size

    def emit(self, record: logging.LogRecord) -> None:
        run = current_run()
        if run is None:
            return
        try:
            run.session.journal.add_log(line_of(record, run, self.max_line_size))
        except Exception:
            self.handleError(record)


def _speaker(record: logging.LogRecord) -> str:
    """Return who a line comes from: the run for its own loggers, else the logger."""
    own = record.name in {"dalsegno.flow_runs", "dalsegno.task_runs"}
    run = current_run() if own else None
    return record.__dict__.get("speaker") or (label_of(run) if run is not None else record.name)


def has_colours(stream: TextIO) -> bool:
    """Tell whether colours may be written to a stream: to terminals that can, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def root_shows(record: logging.LogRecord) -> bool:
    """Tell whether the program's own set-up of logging shows this record on the terminal already."""
    if not _reaches_root(record.name):
        return False
    return any(handler.level <= record.levelno and _is_terminal(handler) for handler in logging.root.handlers)


def _reaches_root(name: str) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger is not logging.root:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def _is_terminal(handler: logging.Handler) -> bool:
    if isinstance(handler, OnceHandler):
        return False
    # Handlers that draw with a library of their own have no stream but a console.
    stream: Any = getattr(handler, "stream", None) or getattr(getattr(handler, "console", None), "file", None)
    return stream is not None and stream in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
