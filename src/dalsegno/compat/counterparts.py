"""What a name of Prefect 3 is called here, and whether this version has it. Paths leave out the first word."""

from __future__ import annotations

import enum
import functools
import importlib
from types import ModuleType
from typing import Any

import dalsegno

# Modules and names that live elsewhere here, or are called by other words.
MOVED = {
    "futures.PrefectConcurrentFuture": "futures.Future",
    "futures.PrefectDistributedFuture": "futures.DistributedFuture",
    "futures.PrefectFlowRunFuture": "futures.FlowRunFuture",
    "futures.PrefectFuture": "futures.Future",
    "futures.PrefectFutureList": "futures.FutureList",
    "client.schemas.objects.ConcurrencyLimitConfig": "deployments.ConcurrencyLimitConfig",
    "client.schemas.objects.ConcurrencyLimitStrategy": "deployments.ConcurrencyLimitStrategy",
    "client.schemas.objects.State": "states.State",
    "client.schemas.objects.StateType": "states.StateType",
    "deployments.flow_runs.run_deployment": "deployments.run_deployment",
    "deployments.runner.EntrypointType": "deployments.EntrypointType",
    "deployments.runner.RunnerDeployment": "deployments.RunnerDeployment",
    "deployments.runner.deploy": "deployments.deploy",
    "logging.loggers": "logging",
    "runner.Runner": "deployments.Runner",
    "runner.serve": "deployments.serve",
    "runner.storage.GitRepository": "deployments.GitRepository",
    "runner.storage.LocalStorage": "deployments.LocalStorage",
    "runner.storage.RemoteStorage": "deployments.RemoteStorage",
    "utilities.annotations": "",
}
# In all other names only these words differ.
_WORDS = {"prefect": "dalsegno", "Prefect": "Dalsegno", "PREFECT": "DALSEGNO"}


class Kind(enum.Enum):
    """What this version has under a path."""

    MODULE = "module"
    NAME = "name"
    MISSING = "missing"


def join(*parts: str) -> str:
    """Return the path that the parts make; empty ones do not count.

    Example:
        >>> join("", "futures", "Future")
        'futures.Future'
    """
    return ".".join(part for part in parts if part)


def parent_of(path: str) -> str:
    """Return the path of the module that the last word of a path is in."""
    return path.rpartition(".")[0]


def last_of(path: str) -> str:
    """Return the last word of a path."""
    return path.rpartition(".")[2]


@functools.cache
def counterpart(path: str) -> str:
    """Return the path that stands here for one of Prefect's, whether or not this version has it.

    Example:
        >>> counterpart("futures.PrefectFuture")
        'futures.Future'
    """
    if path in MOVED:
        return MOVED[path]
    if not path:
        return ""
    word = last_of(path)
    for old, new in _WORDS.items():
        word = word.replace(old, new)
    return join(counterpart(parent_of(path)), word)


def kind_of(path: str) -> Kind:
    """Tell what this version has for a path of Prefect's: a module, a name in one, or nothing."""
    ours = counterpart(path)
    inside = find_module(parent_of(ours)) if ours else None
    if inside is not None and has_public(inside, last_of(ours)):
        return Kind.MODULE if isinstance(getattr(inside, last_of(ours)), ModuleType) else Kind.NAME
    return Kind.MODULE if find_module(ours) is not None or holds_moved(path) else Kind.MISSING


def holds_moved(path: str) -> bool:
    """Tell whether a module of Prefect's, which need not exist here, held a name that lives elsewhere here."""
    return any(old.startswith(f"{path}.") for old in MOVED)


@functools.cache
def find_module(ours: str) -> ModuleType | None:
    """Import and return the module of ours at a path; None if there is none, or it is private."""
    if any(word.startswith("_") for word in ours.split(".")):
        return None
    name = join("dalsegno", ours)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


def has_public(module: ModuleType, name: str) -> bool:
    """Tell whether a module of ours offers a name, rather than uses it, say because it imports it."""
    if name.startswith("_"):
        return name == "__version__" and hasattr(module, name)
    names: list[str] | None = getattr(module, "__all__", None)
    if names is not None and name in names:
        return hasattr(module, name)
    if name not in vars(module):
        # Looked up when it is asked for: `dalsegno.runtime.flow_run.id`.
        return hasattr(module, name)
    return _is_ours(vars(module)[name]) and (names is None or isinstance(vars(module)[name], ModuleType))


def _is_ours(value: Any) -> bool:
    home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return f"{home or type(value).__module__}.".startswith("dalsegno.")


def missing(path: str) -> str:
    """Return the sentence that says that this version has nothing for a path of Prefect's."""
    return (
        f"This version of Dalsegno ({dalsegno.__version__}) has no counterpart of prefect.{path}; "
        f"it would be {join('dalsegno', counterpart(path))}."
    )
