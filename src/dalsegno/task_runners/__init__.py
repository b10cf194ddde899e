"""Task runners: where the tasks that a flow submits run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dalsegno.task_runners.base import TaskRunner
from dalsegno.task_runners.threads import ConcurrentTaskRunner, ThreadPoolTaskRunner

if TYPE_CHECKING:
    from dalsegno.task_runners.processes import ProcessPoolTaskRunner

__all__ = ["ConcurrentTaskRunner", "ProcessPoolTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load the process pool on first use: multiprocessing costs much to import."""
        if name == "ProcessPoolTaskRunner":
            return importlib.import_module("dalsegno.task_runners.processes").ProcessPoolTaskRunner
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
