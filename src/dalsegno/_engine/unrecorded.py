"""What stands where a run has its session while a flow is drawn: nothing is recorded, no database is opened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from dalsegno._engine.context import RunContext
from dalsegno._engine.graphs import Graph
from dalsegno._engine.placeholders import Placeholder
from dalsegno._engine.transacting import BaseTransaction
from dalsegno.exceptions import FlowVisualizationError
from dalsegno.settings import get_current_settings


class NoSession:
    """Stands where a run has its session; what is recorded in it is dropped."""

    root_run_id = bytes(16)
    detached = False
    stop = None

    def __init__(self, graph: Graph) -> None:
        self.journal = SimpleNamespace(add_artifact=_drop, add_log=_drop, barrier=_drop)
        self.backend = _NoBackend(graph)

    @property
    def settings(self) -> Any:
        return get_current_settings()


class _NoBackend:
    """Stands where a run has its backend: variables can be asked for and set, to no effect."""

    url = "nowhere"

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def get_variable(self, name: str) -> Any:
        return SimpleNamespace(value=Placeholder(self._graph, (), f"the variable {name!r}"))

    def set_variable(self, view: Any, overwrite: bool) -> bool:
        return True

    def unset_variable(self, name: str) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        raise FlowVisualizationError(
            "This cannot be done while a flow is drawn: it needs the database, and none is opened then. "
            "Move it into a task, which does not run then."
        )


def _drop(*args: Any, **kwargs: Any) -> None:
    """Take what would be recorded."""


def endless_transaction(scope: RunContext) -> BaseTransaction:
    """Return a transaction that never commits: the blocks of the body join it, so that they write nothing."""
    transaction = BaseTransaction()
    transaction.begin_task(cast("Any", scope))
    return transaction


def unlock(transaction: BaseTransaction | None) -> None:
    """Give back what the blocks of a body had locked."""
    if transaction is not None:
        for child in transaction.children:
            child.unlock()
            unlock(child)
