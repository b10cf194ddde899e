"""The task run that is executed here.

Attributes: `id`, `tags`, `name`, `parameters` (resolved), `run_count`, `task_name`, `api_url`, `ui_url`, and
`idempotency_key`: the same when a body that was cut off runs again, another when the task is really run anew.
Outside of tasks ids and names are None, `tags` is [], `parameters` {} and `run_count` 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dalsegno._engine.context import TaskRunContext
from dalsegno.runtime._attributes import Getters, read_attribute

if TYPE_CHECKING:
    from dalsegno._engine.runs import TaskRun

    id: str | None
    tags: list[str]
    name: str | None
    parameters: dict[str, Any]
    run_count: int
    task_name: str | None
    idempotency_key: str | None
    api_url: str | None
    ui_url: str | None


def _run() -> TaskRun | None:
    scope = TaskRunContext.get()
    return None if scope is None else scope.task_run


def _id() -> str | None:
    run = _run()
    return None if run is None else str(run.id)


def _tags() -> list[str]:
    run = _run()
    return [] if run is None else run.tags


def _name() -> str | None:
    run = _run()
    return None if run is None else run.name


def _parameters() -> dict[str, Any]:
    scope = TaskRunContext.get()
    return {} if scope is None else dict(scope.parameters)


def _run_count() -> int:
    run = _run()
    return 0 if run is None else run.run_count


def _task_name() -> str | None:
    run = _run()
    return None if run is None else run.definition.name


def _idempotency_key() -> str | None:
    run = _run()
    return None if run is None else run.idempotency_key


_GETTERS: Getters = {
    "id": _id,
    "tags": _tags,
    "name": _name,
    "parameters": _parameters,
    "run_count": _run_count,
    "task_name": _task_name,
    "idempotency_key": _idempotency_key,
    # There is no server whose addresses these could be.
    "api_url": lambda: None,
    "ui_url": lambda: None,
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return read_attribute(__name__, name, _GETTERS)


def __dir__() -> list[str]:
    return sorted(_GETTERS)
