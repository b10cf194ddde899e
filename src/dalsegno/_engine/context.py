"""Where code stands: the scope of the flow run or task run whose body is executed, and the tags around it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from dalsegno.exceptions import MissingContextError

if TYPE_CHECKING:
    from dalsegno._engine.drawing import DrawingScope
    from dalsegno._engine.lineage import Replay
    from dalsegno._engine.runs import FlowRun, TaskRun
    from dalsegno._engine.session import Session
    from dalsegno._engine.submission import Submissions
    from dalsegno._engine.timeouts import TimeLimit
    from dalsegno._engine.transacting import BaseTransaction


class RunContext:
    """What FlowRunContext and TaskRunContext share."""

    session: Session
    is_async: bool
    ordinals: dict[str, int] | None = None
    transaction: BaseTransaction | None = None
    """The transaction of the task run, or the one that the flow run is part of; None until there is one."""
    drawing: DrawingScope | None = None
    """Itself, where the body is only drawn: calls are noted there, and not made."""
    time_limit: TimeLimit | None = None
    """What ends the body when its time is up."""

    def next_ordinal(self, kind: str) -> int:
        """Count the calls of one kind in this body: 0, 1, 2 ... It names them for replay."""
        if self.ordinals is None:
            self.ordinals = {}
        ordinal = self.ordinals.get(kind, 0)
        self.ordinals[kind] = ordinal + 1
        return ordinal


class FlowRunContext(RunContext):
    """The scope of a flow's body.

    Attributes: `flow`, `flow_run`, `parameters`, `task_runner`, `log_prints`, `persist_result`.
    """

    def __init__(
        self,
        *,
        session: Session,
        flow: Any,
        flow_run: FlowRun,
        parameters: dict[str, Any],
        is_async: bool,
        log_prints: bool,
        persist_result: bool | None,
        submissions: Submissions,
        parent: Scope | None,
        replay: Replay | None,
        submitted: bool = False,
    ) -> None:
        self.session = session
        self.flow = flow
        self.flow_run = flow_run
        self.parameters = parameters
        self.is_async = is_async
        self.log_prints = log_prints
        self.persist_result = persist_result
        self.submissions = submissions
        self.parent = parent
        self.replay = replay
        self.pauses = 0
        """How many pauses of the flow run there are at this moment."""
        self.submitted = submitted
        """Whether it runs beside others, so that it alone cannot be suspended."""
        self.closed = False
        """The body has ended: what abandoned threads still do in it is refused."""

    task: ClassVar[None] = None
    task_run: ClassVar[None] = None

    @property
    def scope_id(self) -> bytes:
        return self.flow_run.id_bytes

    @property
    def flow_scope(self) -> FlowRunContext:
        return self

    @property
    def task_runner(self) -> Any:
        """The runner that `submit` and `map` use here."""
        return self.submissions.runner

    @property
    def detached(self) -> bool:
        return self.session.detached

    @classmethod
    def get(cls) -> FlowRunContext | None:
        """Return the innermost flow's scope, or None outside of flows."""
        scope = _scope.get()
        return None if scope is None else scope.flow_scope


class TaskRunContext(RunContext):
    """The scope of a task's body.

    Attributes: `task`, `task_run`, `parameters`, `log_prints`, `persist_result`.
    """

    def __init__(
        self,
        session: Session,
        task: Any,
        task_run: TaskRun,
        parameters: dict[str, Any],
        is_async: bool,
        flow_scope: FlowRunContext | None,
        log_prints: bool,
        submissions: Submissions | None,
        parent: Scope | None,
    ) -> None:
        self.session = session
        self.parent = parent
        self.task = task
        self.task_run = task_run
        self.parameters = parameters
        self.is_async = is_async
        self.flow_scope = flow_scope
        self.log_prints = log_prints
        self.submissions = submissions

    @property
    def scope_id(self) -> bytes:
        return self.task_run.id_bytes

    @property
    def flow_run(self) -> FlowRun | None:
        return None if self.flow_scope is None else self.flow_scope.flow_run

    @property
    def flow(self) -> Any:
        return None if self.flow_scope is None else self.flow_scope.flow

    @property
    def persist_result(self) -> bool:
        return self.task.persists(self)

    @property
    def closed(self) -> bool:
        return self.flow_scope is not None and self.flow_scope.closed

    @classmethod
    def get(cls) -> TaskRunContext | None:
        """Return the innermost task's scope, or None outside of tasks."""
        scope = _scope.get()
        return scope if isinstance(scope, TaskRunContext) else None


Scope = FlowRunContext | TaskRunContext

_scope: ContextVar[Scope | None] = ContextVar("dalsegno_scope", default=None)
_tags: ContextVar[frozenset[str]] = ContextVar("dalsegno_tags", default=frozenset())

current_scope = _scope.get
enter_scope = _scope.set
leave_scope = _scope.reset
current_tags = _tags.get


def get_run_context() -> Scope:
    """Return the scope of the innermost run, task or flow. Raises MissingContextError outside of runs."""
    scope = _scope.get()
    if scope is None:
        raise MissingContextError("There is no run here: this works only inside the body of a flow or task, or a hook.")
    return scope


@contextlib.contextmanager
def tags(*new_tags: str) -> Generator[set[str]]:
    """Add tags to the flow and task runs that are started inside; gives the tags that are in force.

    Example:
        >>> with tags("nightly", "orders"):
        ...     my_flow()
    """
    joined = _tags.get() | frozenset(new_tags)
    token = _tags.set(joined)
    try:
        yield set(joined)
    finally:
        _tags.reset(token)


@contextlib.contextmanager
def scope_of(scope: Scope | None) -> Generator[None]:
    """Stand in a scope for a while (for hooks, and for code that runs elsewhere)."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


@contextlib.contextmanager
def tags_of(values: frozenset[str]) -> Generator[None]:
    """Put exactly these tags in force for a while."""
    token = _tags.set(values)
    try:
        yield
    finally:
        _tags.reset(token)


def _after_fork() -> None:
    """In a child that user code forked calls are plain: nothing of earlier attempts answers them."""
    scope = _scope.get()
    while scope is not None:
        if isinstance(scope, FlowRunContext):
            scope.replay = None
        scope = scope.parent


os.register_at_fork(after_in_child=_after_fork)
