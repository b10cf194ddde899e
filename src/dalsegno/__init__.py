"""Data pipelines as plain Python functions that record themselves and pick up where they left off.

The public names are loaded when they are first used (PEP 562), so that importing the package costs little.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dalsegno import triggers
    from dalsegno._engine.annotations import allow_failure, flatten, opaque, quote, unmapped
    from dalsegno._engine.skipping import skip
    from dalsegno._engine.states import State
    from dalsegno.client import get_client
    from dalsegno.context import tags
    from dalsegno.deployments import aserve, deploy, serve
    from dalsegno.exceptions import Skip
    from dalsegno.flow_runs import fork_flow_run, retry_flow_run, set_task_result, sleep
    from dalsegno.flows import Flow, flow
    from dalsegno.logging import get_run_logger
    from dalsegno.pausing import (
        apause_flow_run,
        aresume_flow_run,
        asuspend_flow_run,
        pause_flow_run,
        resume_flow_run,
        suspend_flow_run,
    )
    from dalsegno.tasks import Task, task
    from dalsegno.transactions import Transaction

_HOMES = {
    "Flow": "flows",
    "Skip": "exceptions",
    "State": "_engine.states",
    "Task": "tasks",
    "Transaction": "transactions",
    "allow_failure": "_engine.annotations",
    "aserve": "deployments.serving",
    "deploy": "deployments.deploying",
    "apause_flow_run": "pausing",
    "aresume_flow_run": "pausing",
    "asuspend_flow_run": "pausing",
    "flatten": "_engine.annotations",
    "flow": "flows",
    "fork_flow_run": "flow_runs",
    "get_client": "client",
    "get_run_logger": "logging",
    "opaque": "_engine.annotations",
    "quote": "_engine.annotations",
    "pause_flow_run": "pausing",
    "resume_flow_run": "pausing",
    "retry_flow_run": "flow_runs",
    "serve": "deployments.serving",
    "set_task_result": "flow_runs",
    "skip": "_engine.skipping",
    "sleep": "flow_runs",
    "suspend_flow_run": "pausing",
    "tags": "context",
    "task": "tasks",
    "unmapped": "_engine.annotations",
}

__all__ = [
    "Flow",
    "Skip",
    "State",
    "Task",
    "Transaction",
    "__version__",
    "allow_failure",
    "aserve",
    "deploy",
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "flatten",
    "flow",
    "fork_flow_run",
    "get_client",
    "get_run_logger",
    "opaque",
    "pause_flow_run",
    "quote",
    "resume_flow_run",
    "retry_flow_run",
    "serve",
    "set_task_result",
    "skip",
    "sleep",
    "suspend_flow_run",
    "tags",
    "task",
    "triggers",
    "unmapped",
]

_MODULES = {
    "artifacts",
    "background",
    "cache_policies",
    "client",
    "compat",
    "context",
    "deployments",
    "distributed",
    "exceptions",
    "flow_runs",
    "flows",
    "futures",
    "input",
    "locking",
    "logging",
    "pausing",
    "results",
    "runtime",
    "schedules",
    "serializers",
    "settings",
    "states",
    "task_runners",
    "task_worker",
    "tasks",
    "testing",
    "transactions",
    "triggers",
    "variables",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
