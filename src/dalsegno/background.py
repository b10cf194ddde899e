"""Asking for task runs in the background: the part of `Task` that is about runs that other processes execute.

Who executes them is `dalsegno.task_worker`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, cast

from dalsegno._backend.connect import connect
from dalsegno._engine import background
from dalsegno._engine.awaiting import in_thread
from dalsegno._engine.context import TaskRunContext, current_scope
from dalsegno._engine.decorated import Decorated
from dalsegno._engine.futures import RunFuture, is_input
from dalsegno._engine.inputs import replace_inputs
from dalsegno._engine.spec import TaskSpec
from dalsegno._engine.states import State, state_result
from dalsegno.distributed import DistributedFuture
from dalsegno.model.ids import id_text, new_id, parse_id
from dalsegno.settings import get_current_settings

__all__ = ["BackgroundCalls"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_asked: ContextVar[tuple[TaskSpec, background.Upstream]] = ContextVar("dalsegno-asked-for")
"""What the step that is about to run asks for; its arguments are what it is known by."""


class BackgroundCalls(Decorated[P, R]):
    """The methods of a task that have other processes run it."""

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> DistributedFuture[Any]:
        """Have the task run in the background, by whoever serves it (`Task.serve`); give a future at once.

        The run is in the database when this returns, and is executed at least once, whichever process ends meanwhile.
        Futures and States among the arguments are waited for here. In a flow it is a recorded step: when the flow run
        picks up again, the task is not asked for a second time. It may be called in coroutines, and is not awaited.

        Raises:
            SerializationError: The arguments cannot be kept.
            ParameterBindError: They do not fit the function's signature.

        Example:
            >>> future = send_mail.delay("ada@example.com")
        """
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        wait_for: Iterable[Any] | None = None,
        dependencies: Mapping[str, Iterable[Any]] | None = None,
    ) -> DistributedFuture[Any]:
        """Have the task run in the background, as `delay` does.

        Args:
            args, kwargs: Of the call.
            wait_for: Futures and States that must have completed before; they are waited for here.
            dependencies: Futures and States by name, that are recorded as upstreams and not waited for.
        """
        parameters = self.plan.bind(tuple(args or ()), dict(kwargs or {}))
        return self._ask(parameters, wait_for, dependencies)

    def serve(self, limit: int = 10) -> None:
        """Execute runs of this task that are asked for with `delay`, until SIGTERM or Ctrl-C.

        Example:
            >>> send_mail.serve()
        """
        from dalsegno.task_worker import serve

        serve(cast("Any", self), limit=limit)

    async def aserve(self, limit: int = 10) -> None:
        """Do as `serve` does, in a coroutine; cancelling it stops it once what it has begun has ended."""
        from dalsegno.task_worker import TaskWorker

        worker = TaskWorker(cast("Any", self), limit=limit)
        try:
            await in_thread(worker.start)
        finally:
            worker.stop()

    def _later(self, children: Sequence[dict[str, Any]], wait_for: Any) -> list[Any]:
        return [self._ask(parameters, wait_for, None) for parameters in children]

    def _ask(
        self,
        parameters: dict[str, Any],
        wait_for: Iterable[Any] | None,
        dependencies: Mapping[str, Iterable[Any]] | None,
    ) -> DistributedFuture[Any]:
        upstream: background.Upstream = []
        for each in wait_for or ():
            _settled(each, allow_failure=False)
            background.note_upstream(upstream, "wait_for", [each])
        for name, inputs in (dependencies or {}).items():
            background.note_upstream(upstream, name, inputs)
        values = {name: _resolved(name, value, upstream) for name, value in parameters.items()}
        task = cast("TaskSpec", self)
        scope = current_scope()
        if scope is None or scope.session.detached:
            id_ = new_id()
            background.request_task(connect(), task, values, id_, upstream, _recoveries())
            return DistributedFuture(id_, connect())
        token = _asked.set((task, upstream))
        try:
            return DistributedFuture(_step()(task.definition.key, values), scope.session.backend)
        finally:
            _asked.reset(token)


def _resolved(name: str, value: Any, upstream: background.Upstream) -> Any:
    def resolve(item: Any, allow_failure: bool) -> Any:
        background.note_upstream(upstream, name, [item])
        return _settled(item, allow_failure)

    return replace_inputs(value, _is_any_input, resolve)


def _is_any_input(value: Any) -> bool:
    return isinstance(value, DistributedFuture) or is_input(value)


def _settled(item: Any, allow_failure: bool) -> Any:
    """Wait for a future, and return its result, or what it failed with; raise that unless it is allowed."""
    if isinstance(item, (RunFuture, DistributedFuture)):
        future = cast("RunFuture[Any]", item)
        return future.result(raise_on_failure=not allow_failure)
    return state_result(item, not allow_failure) if isinstance(item, State) else item


def _recoveries() -> int:
    return get_current_settings().tasks.background_max_recoveries


@functools.cache
def _step() -> Any:
    from dalsegno.tasks import task

    return task(name="delay", retries=0, persist_result=True)(_delay)


def _delay(task_key: str, parameters: dict[str, Any]) -> str:
    """Ask for the run, under an id that follows from the step's: asking again is asking once."""
    step = TaskRunContext.get()
    assert step is not None
    task, upstream = _asked.get()
    id_ = background.id_of_step(step.task_run.id_bytes)
    # Else a flow that is killed now would ask again when it is retried, in a step with another id.
    step.session.journal.barrier(durable=False)
    background.request_task(step.session.backend, task, parameters, parse_id(id_), upstream, _recoveries())
    return id_text(id_)
