"""Task runs that are made before anything runs: a record in state Pending, for those who run it by other means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dalsegno._engine import logs
from dalsegno._engine.calling import Connect
from dalsegno._engine.context import Scope, current_scope
from dalsegno._engine.runs import SCHEDULED, TaskRun, now
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.spec import TaskSpec
from dalsegno._engine.task_life import TaskExecution
from dalsegno._engine.waiting import note_upstreams, upstreams
from dalsegno.exceptions import ParameterBindError
from dalsegno.model.ids import new_id, parse_id

Inputs = Mapping[str, Iterable[Any]]


def make_task_run(
    task: TaskSpec,
    parameters: Mapping[str, Any] | None,
    connect: Connect,
    *,
    id: Any = None,
    scope: Scope | None = None,
    wait_for: Any = None,
    extra_task_inputs: Inputs | None = None,
    deferred: bool = False,
) -> TaskRun:
    """Return a task run that has not begun, below the run of `scope` or of the caller, or by itself.

    Raises ParameterBindError for parameters that the task has not, ValueError for an id that is no UUIDv7.
    """
    given = dict(parameters or {})
    _check_names(task, given)
    scope = scope or current_scope()
    id_ = new_id() if id is None else _checked_id(id)
    if scope is None:
        logs.ensure_logging()
        session = Session(journal_for(connect()), id_)
    else:
        session = scope.session
    x = TaskExecution(task, given, wait_for, scope, session, None)
    run = x.run
    run.id_bytes = id_
    run.parameters = given
    extra = {name: list(items) for name, items in (extra_task_inputs or {}).items()}
    note_upstreams(run, upstreams(x, extra))
    if deferred:
        stamp = now()
        run.history[:] = [(SCHEDULED, stamp, None, None, {"scheduled_time": stamp})]
    return run


def record_task_run(run: TaskRun) -> TaskRun:
    """Write a run down, and wait until it is."""
    run.touch()
    run.session.journal.barrier(durable=False)
    return run


def _check_names(task: TaskSpec, given: Mapping[str, Any]) -> None:
    unknown = sorted(given.keys() - set(task.plan.names))
    if unknown:
        raise ParameterBindError(
            f"Task {task.name!r} has no parameter {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(map(repr, task.plan.names)) or 'none'}."
        )


def _checked_id(id: Any) -> bytes:
    value = parse_id(id)
    if value[6] >> 4 != 7:
        raise ValueError(
            f"The id of a run must be a UUID of version 7, which holds the time when it was made; it is {id!s}. "
            "Leave it out to get one."
        )
    return value
