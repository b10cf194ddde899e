"""The logger of one run."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from dalsegno._engine.log_lines import is_task_run, label_of, muted, speak_for, speak_for_no_more

FLOW_RUNS = "dalsegno.flow_runs"
TASK_RUNS = "dalsegno.task_runs"


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of one run: a LoggerAdapter, with `debug`, `info`, `warning`, `error`, `exception`, `log`.

    Its records carry, for formatters of your own, `flow_run_id`, and where they are known `flow_run_name` and
    `flow_name`; those of task runs `task_run_id`, `task_run_name` and `task_name` as well.
    """

    def __init__(self, run: Any, extra: dict[str, Any] | None = None) -> None:
        task_run = run is not None and is_task_run(run)
        super().__init__(logging.getLogger(TASK_RUNS if task_run else FLOW_RUNS), extra or {})
        self._run = run
        self._attributes: dict[str, Any] | None = None

    def isEnabledFor(self, level: int) -> bool:
        return not muted.get() and self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Join the attributes of the run with those that a call gives as `extra`."""
        if self._attributes is None:
            self._attributes = {**attributes_of(self._run), **(self.extra or {})}
        kwargs["extra"] = {**self._attributes, **(kwargs.get("extra") or {})}
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a line at a level of the standard library, with arguments for its placeholders."""
        if not self.isEnabledFor(level):
            return
        msg, options = self.process(msg, kwargs)
        options["stacklevel"] = options.get("stacklevel", 1) + 1
        # A run that was read from the database has no journal: its lines belong to the run around them.
        token = speak_for(self._run if hasattr(self._run, "session") else None)
        try:
            self.logger.log(level, msg, *args, **options)
        finally:
            speak_for_no_more(token)


def attributes_of(run: Any) -> dict[str, Any]:
    """Return what the records of a run carry."""
    if run is None:
        return {}
    if not is_task_run(run):
        return {
            "speaker": label_of(run),
            "flow_run_id": str(run.id),
            "flow_run_name": run.name,
            "flow_name": run.flow_name,
        }
    flow_run_id = run.flow_run_id
    return {
        "speaker": label_of(run),
        "flow_run_id": None if flow_run_id is None else str(flow_run_id),
        "task_run_id": str(run.id),
        "task_run_name": run.name,
        "task_name": run.definition.name if hasattr(run, "definition") else run.task_name,
    }
