"""The loggers of runs, and the handlers that are there when a run is.

Nothing is configured when the package is imported: `ensure_logging` is called when a run begins.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from dalsegno._engine.log_handlers import ConsoleHandler, JournalHandler
from dalsegno._engine.log_lines import is_task_run, muted, speak_for, speak_for_no_more
from dalsegno._engine.prints import prints
from dalsegno._engine.run_logger import FLOW_RUNS, TASK_RUNS
from dalsegno._engine.states import error_text
from dalsegno.exceptions import SettingError
from dalsegno.settings import get_current_settings
from dalsegno.settings.fields import LoggingSettings

__all__ = ["engine_logger", "ensure_logging", "failed", "is_enabled", "prints", "write"]

OURS = "dalsegno"
_TOLD = "__dalsegno_told__"  # set on an exception whose traceback is in a log

_lock = threading.Lock()
_installed: LoggingSettings | None = None
_levels_set: dict[str, int] = {}
"""The levels that we gave loggers: what somebody else gave them is left alone."""
_configured_from: Path | None = None
_console = ConsoleHandler(0)
_journal = JournalHandler(0)


# --- loggers


def engine_logger(kind: Literal["flow", "task"]) -> logging.Logger:
    """Return the logger of all flow runs or of all task runs."""
    return logging.getLogger(FLOW_RUNS if kind == "flow" else TASK_RUNS)


_is_enabled = engine_logger("task").isEnabledFor


def is_enabled(level: int) -> bool:
    """Tell cheaply whether a line of a task run at this level is wanted by anybody."""
    return _is_enabled(level)


def write(run: Any, level: int, message: str, *args: Any, exc_info: Any = None) -> None:
    """Write a line about a run from anywhere in the engine: ``write(run, logging.INFO, "Slept %s s", 2)``."""
    logger = engine_logger("task" if is_task_run(run) else "flow")
    if logger.isEnabledFor(level) and not muted.get():
        token = speak_for(run)
        try:
            logger.log(level, message, *args, exc_info=exc_info, stacklevel=2)
        finally:
            speak_for_no_more(token)


def failed(run: Any, error: BaseException) -> None:
    """Say why a run failed: with the traceback, unless a run inside of it has shown that already."""
    told = getattr(error, _TOLD, False)
    write(
        run, logging.ERROR, "Failed: %s: %s", type(error).__name__, error_text(error), exc_info=None if told else error
    )
    with contextlib.suppress(AttributeError, TypeError):
        setattr(error, _TOLD, True)


# --- handlers


def ensure_logging() -> None:
    """Install the handlers that the settings ask for, if they are not there; cheap when they are.

    A program's own configuration stays: loggers that have a level keep it, and what its root logger shows on
    the terminal is not shown twice.
    """
    wanted = get_current_settings().logging
    if wanted is not _installed or _is_incomplete(wanted):
        with _lock:
            _install(wanted)


def _is_incomplete(wanted: LoggingSettings) -> bool:
    """Tell whether somebody configured logging anew and threw our handlers out."""
    ours = logging.getLogger(OURS)
    return ours.disabled or (wanted.to_journal and _journal not in ours.handlers)


def _install(wanted: LoggingSettings) -> None:
    global _installed
    if wanted.config_path is not None:
        _configure_from(wanted.config_path)
    _console.max_line_size = _journal.max_line_size = wanted.max_line_size
    to_console = wanted.to_console and wanted.config_path is None
    tops = _topmost((OURS, *wanted.extra_loggers))
    for name in {*_levels_set, *tops}:
        logger = logging.getLogger(name)
        _place(logger, _console, there=to_console and name in tops and not _has_own_handlers(logger))
        _place(logger, _journal, there=wanted.to_journal and name in tops)
        _set_level(logger, wanted.level if name in tops else None)
    for name in (OURS, FLOW_RUNS, TASK_RUNS):
        # A configuration made after the import disables the loggers that it does not name.
        logging.getLogger(name).disabled = False
    for name in (FLOW_RUNS, TASK_RUNS):
        logger = logging.getLogger(name)
        _place(logger, _journal, there=wanted.to_journal and not logger.propagate)
    _installed = wanted


def _topmost(names: Iterable[str]) -> set[str]:
    """Return the names that have none of the others above them."""
    given = set(names)
    return {name for name in given if not any(name.startswith(f"{other}.") for other in given)}


def _has_own_handlers(logger: logging.Logger) -> bool:
    return any(handler not in (_console, _journal) for handler in logger.handlers)


def _place(logger: logging.Logger, handler: logging.Handler, *, there: bool) -> None:
    if there:
        logger.addHandler(handler)
    else:
        logger.removeHandler(handler)


def _set_level(logger: logging.Logger, level: str | None) -> None:
    """Give a logger a level, or take it back, unless somebody else has given it one."""
    if logger.level != _levels_set.get(logger.name, logging.NOTSET):
        return
    number = _number_of(level)
    logger.setLevel(number)
    _levels_set[logger.name] = number


def _number_of(level: str | None) -> int:
    if level is None:
        return logging.NOTSET
    return int(level) if level.isdecimal() else logging.getLevelNamesMapping()[level]


def _configure_from(path: Path) -> None:
    """Configure logging from a file, once."""
    global _configured_from
    if path == _configured_from:
        return
    import logging.config

    try:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **_read(path)})
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
        raise SettingError(
            f"DALSEGNO_LOGGING_CONFIG_PATH is {path}, but logging cannot be configured from it: {error}"
        ) from error
    _configured_from = path


def _read(path: Path) -> dict[str, Any]:
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        import json

        return json.loads(content)
    if path.suffix == ".toml":
        import tomllib

        return tomllib.loads(content)
    raise ValueError("its name must end in .toml or .json.")


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
