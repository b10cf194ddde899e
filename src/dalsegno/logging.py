"""Logging from flows and tasks: lines go to the terminal and are kept with the run that wrote them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from types import TracebackType
from typing import Any

from dalsegno._engine.context import current_scope
from dalsegno._engine.log_lines import add_redactor, muted, remove_redactor
from dalsegno._engine.logs import ensure_logging
from dalsegno._engine.run_logger import RunLogger
from dalsegno.exceptions import MissingContextError

__all__ = [
    "LogEavesdropper",
    "RunLogger",
    "add_redactor",
    "disable_run_logger",
    "flow_run_logger",
    "get_logger",
    "get_run_logger",
    "remove_redactor",
    "task_run_logger",
]


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a logger of the standard library below ``dalsegno``; its lines in a run are kept with the run.

    Example:
        >>> get_logger("shop").name
        'dalsegno.shop'
    """
    if not name or name == "dalsegno":
        return logging.getLogger("dalsegno")
    return logging.getLogger(name if name.startswith("dalsegno.") else f"dalsegno.{name}")


def get_run_logger(context: Any = None, **kwargs: Any) -> RunLogger:
    """Return the logger of the run that is executed here, or of `context`, a flow's or task's context.

    Keyword arguments become attributes of its records. Raises MissingContextError outside of runs.

    Example:
        >>> @task
        ... def clean(orders):
        ...     get_run_logger().info("%d orders", len(orders))
    """
    scope = context if context is not None else current_scope()
    if scope is not None:
        return _of_scope(scope, kwargs)
    if muted.get():
        return RunLogger(None, kwargs)
    raise MissingContextError(
        "There is no run here, so there is no run logger: call `get_run_logger` in the body of a flow or "
        "task, elsewhere `get_logger`; around the bare function of a task use `disable_run_logger`."
    )


def _of_scope(scope: Any, extra: dict[str, Any]) -> RunLogger:
    task_run, flow_run = scope.task_run, scope.flow_run
    if task_run is None:
        return RunLogger(flow_run, extra)
    if flow_run is not None:
        extra = {"flow_run_name": flow_run.name, "flow_name": flow_run.flow_name, **extra}
    return RunLogger(task_run, extra)


def flow_run_logger(flow_run: Any, flow: Any = None, **kwargs: Any) -> RunLogger:
    """Return a logger that writes in the name of a flow run, for hooks and code around it."""
    ensure_logging()
    return RunLogger(flow_run, kwargs if flow is None else {"flow_name": flow.name, **kwargs})


def task_run_logger(
    task_run: Any, task: Any = None, flow_run: Any = None, flow: Any = None, **kwargs: Any
) -> RunLogger:
    """Return a logger that writes in the name of a task run, for hooks and code around it."""
    ensure_logging()
    extra: dict[str, Any] = {}
    if flow_run is not None:
        extra |= {"flow_run_name": flow_run.name, "flow_name": flow_run.flow_name}
    if flow is not None:
        extra["flow_name"] = flow.name
    if task is not None:
        extra["task_name"] = task.name
    return RunLogger(task_run, extra | kwargs)


@contextlib.contextmanager
def disable_run_logger() -> Generator[None]:
    """Silence the loggers of runs for a block of code; `get_run_logger` then works outside of runs too.

    Example:
        >>> with disable_run_logger():
        ...     clean.fn(orders)  # the body itself, no run around it
    """
    token = muted.set(True)
    try:
        yield
    finally:
        muted.reset(token)


class LogEavesdropper(logging.Handler):
    """Collects what a logger logs within a block of code.

    Example:
        >>> with LogEavesdropper("dbt", level=logging.INFO) as heard:
        ...     logging.getLogger("dbt").info("3 models")
        >>> heard.text()
        '[INFO]: 3 models'
    """

    def __init__(self, eavesdrop_on: str, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.eavesdrop_on = eavesdrop_on
        self._lines: list[str] = []
        self._level_before = logging.NOTSET
        self.formatter = logging.Formatter("[%(levelname)s]: %(message)s")

    def __enter__(self) -> LogEavesdropper:
        logger = logging.getLogger(self.eavesdrop_on)
        self._level_before = logger.level
        if self.level != logging.NOTSET:
            logger.setLevel(self.level)
        logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        logger = logging.getLogger(self.eavesdrop_on)
        logger.removeHandler(self)
        logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def text(self) -> str:
        """Return what was heard, a line each, as ``[LEVEL]: message``."""
        return "\n".join(self._lines)
