"""Log lines: which run one belongs to, and how it is written down. Configures nothing."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dalsegno._engine.context import current_scope
from dalsegno._tracebacks import users_traceback
from dalsegno.model.records import LogRecord

if TYPE_CHECKING:
    from dalsegno._engine.runs import FlowRun, TaskRun

Redactor = Callable[[str], str]

# The run that a line is about, where that is not the run whose body is executed.
_spoken_for: ContextVar[FlowRun | TaskRun | None] = ContextVar("dalsegno_log_run", default=None)
speak_for = _spoken_for.set
speak_for_no_more = _spoken_for.reset

muted: ContextVar[bool] = ContextVar("dalsegno_logs_muted", default=False)
"""Set where the loggers of runs are silenced."""

_redactors: list[Redactor] = []


class _Formatter(logging.Formatter):
    """Leaves the frames of this package out of tracebacks, and caches none: other handlers want them whole."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text = f"{text}\n{users_traceback(error).rstrip()}"
        return text if record.stack_info is None else f"{text}\n{self.formatStack(record.stack_info)}"


_formatter = _Formatter()

# A nonce is 24 random bits of the process and 23 bits that count: SQLite keeps 47 bits in six bytes. The
# lines of one process that share a microsecond sort as they were written.
_process_bits = 0
_counter = itertools.count()


def _draw_process_bits() -> None:
    global _process_bits
    _process_bits = int.from_bytes(os.urandom(3), "big") << 23


_draw_process_bits()
os.register_at_fork(after_in_child=_draw_process_bits)


def current_run() -> FlowRun | TaskRun | None:
    """Return the run that a line written here is about, or None outside of runs."""
    run = _spoken_for.get()
    if run is not None:
        return run
    scope = current_scope()
    return None if scope is None else scope.task_run or scope.flow_run


def add_redactor(redactor: Redactor) -> None:
    """Have a function look at every line before it is shown or recorded; what it returns is used instead."""
    _redactors.append(redactor)


def remove_redactor(redactor: Redactor) -> None:
    """Undo `add_redactor`."""
    _redactors.remove(redactor)


def text_of(record: logging.LogRecord, limit: int) -> str:
    """Return the message of a record with its traceback, redacted, and cut to `limit` characters."""
    text = _formatter.format(record)
    for redactor in _redactors:
        text = redactor(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit]} ... [cut: {len(text)} characters, DALSEGNO_LOGGING_MAX_LINE_SIZE is {limit}]"


def line_of(record: logging.LogRecord, run: FlowRun | TaskRun, limit: int) -> LogRecord:
    """Return the line that is kept with a run."""
    flow_run_id, task_run_id = ids_of(run)
    return LogRecord(
        run.session.root_run_id,
        int(record.created * 1_000_000),
        _process_bits | next(_counter) & 0x7F_FFFF,
        flow_run_id,
        task_run_id,
        record.levelno,
        record.name,
        text_of(record, limit),
    )


def is_task_run(run: Any) -> bool:
    """Tell a task run from a flow run, live or read from the database."""
    return hasattr(run, "task_key")


def ids_of(run: Any) -> tuple[bytes | None, bytes | None]:
    """Return the ids of the flow run and the task run that a line about `run` belongs to."""
    return (run.flow_run_id_bytes, run.id_bytes) if is_task_run(run) else (run.id_bytes, None)


def label_of(run: Any) -> str:
    """Return how a run is called at the head of its lines: ``"Task run 'clean-4f1'"``."""
    return f"{'Task' if is_task_run(run) else 'Flow'} run {run.name!r}"
