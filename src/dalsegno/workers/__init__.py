"""Workers claim runs that wait in the queue, start a process for each, and watch over it to its end."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dalsegno.workers.base import BaseWorker
    from dalsegno.workers.configuration import (
        BaseJobConfiguration,
        BaseVariables,
        BaseWorkerResult,
        ProcessJobConfiguration,
    )
    from dalsegno.workers.process import ProcessWorker

__all__ = [
    "BaseJobConfiguration",
    "BaseVariables",
    "BaseWorker",
    "BaseWorkerResult",
    "ProcessJobConfiguration",
    "ProcessWorker",
]

_HOMES = {"BaseWorker": "base", "ProcessWorker": "process"}


# Loaded on first use: the processes that execute runs import from here, and need no worker.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'configuration')}"), name)
