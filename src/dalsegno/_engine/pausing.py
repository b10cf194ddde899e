"""Runs that wait for somebody: in their process (Paused), or without one (Suspended).

Each is a life of steps in the body of a recorded step, whose task run's id is the pause's own: when the body runs
again, the step goes on in its row and finds the answer that was given meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator
from typing import Any, NoReturn

from dalsegno._engine import hooks, logs
from dalsegno._engine.bells import until
from dalsegno._engine.context import FlowRunContext, Scope, TaskRunContext
from dalsegno._engine.runs import PAUSED, RUNNING, now
from dalsegno._engine.states import MISSING
from dalsegno._engine.steps import Block, Life, Step
from dalsegno._engine.transacting import open_transaction
from dalsegno.exceptions import FlowPauseTimeout, ObjectNotFound, RunSuspended
from dalsegno.model.pauses import EXPIRED, BeginPause, PauseKind, PauseView


class Asked:
    """What is asked of whoever resumes a run. It is no part of what a step is known by, but its key is."""

    def __init__(
        self,
        kind: PauseKind,
        timeout: float | None,
        key: str | None = None,
        schema: str | None = None,
        description: str | None = None,
        check: Callable[[str | None], str | None] = lambda answer: None,
    ) -> None:
        self.kind: PauseKind = kind
        self.timeout = timeout
        self.key = key
        self.schema = schema
        self.description = description
        self.check = check
        """Says what is wrong with an answer; None: it can be used."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("It counts by its type, so that a step with another timeout is the same step.")

    def of(self, step: TaskRunContext, refused: str | None = None) -> BeginPause:
        """Return the pause of a step."""
        scope = step.flow_scope
        assert scope is not None
        return BeginPause(
            id=step.task_run.id_bytes,
            flow_run_id=scope.flow_run.id_bytes,
            attempt=step.session.attempt,
            kind=self.kind,
            execution=step.task_run.run_count,
            timeout=self.timeout,
            key=self.key,
            schema=self.schema,
            description=self.description,
            refused=refused,
        )


def here() -> TaskRunContext:
    """Return the scope of the step that is executed here."""
    step = TaskRunContext.get()
    assert step is not None
    return step


def pause(asked: Asked) -> Generator[Step, Any, str | None]:
    """Wait in this process until the run is resumed; return the input that it was resumed with.

    Raises FlowPauseTimeout.
    """
    step = here()
    assert step.flow_scope is not None
    refused: str | None = None
    while True:
        begun = asked.of(step, refused)
        view = yield from begin(step, begun)
        if view.answered is None:
            view = yield from wait(step.flow_scope, begun, view)
        refused = asked.check(view.answer)
        if refused is None:
            return view.answer
        _tell(step, refused)


def suspend(asked: Asked) -> Generator[Step, Any, str | None]:
    """Give the process back until the run is resumed; return the input, once that was done."""
    step = here()
    view = yield from begin(step, asked.of(step))
    if view.answered is not None:
        refused = asked.check(view.answer)
        if refused is None:
            return view.answer
        _tell(step, refused)
        view = yield from begin(step, asked.of(step, refused))
    leave(step, view, "It waits to be resumed.")


def _tell(step: TaskRunContext, refused: str) -> None:
    assert step.flow_scope is not None
    logs.write(step.flow_scope.flow_run, logging.WARNING, "The input cannot be used; it waits for another. %s", refused)


def begin(step: TaskRunContext, pause: BeginPause) -> Generator[Step, Any, PauseView]:
    """Note that the run waits. The step itself is recorded first: by its id the answer is found again."""
    session = step.session

    def note() -> PauseView:
        session.journal.barrier()
        return session.backend.begin_pause(pause)

    return (yield Block(note))


def leave(step: TaskRunContext, view: PauseView, message: str) -> NoReturn:
    """Break off the body of the run, to be Suspended."""
    details: dict[str, Any] = {"pause_reschedule": True}
    if view.kind == "sleep":
        details["scheduled_time"] = view.deadline
    else:
        details["pause_timeout"] = view.deadline
    details["pause_key"] = view.key
    step.session.suspension = message, {name: value for name, value in details.items() if value is not None}
    raise RunSuspended(message)


def wait(scope: FlowRunContext, pause: BeginPause, begun: PauseView) -> Generator[Step, Any, PauseView]:
    """Wait until a pause is over, and show that as the state of the flow run. Raises FlowPauseTimeout."""
    session = scope.session
    seen = begun

    def look() -> Generator[Step, Any, float | None]:
        nonlocal seen
        found = yield Block(lambda: session.backend.read_pause(pause.id))
        if found is None:
            raise ObjectNotFound(f"Flow run {scope.flow_run.name!r} was deleted while it was paused.")
        seen = found
        if seen.answered is not None or seen.left == 0:
            return None
        return float("inf") if seen.left is None else seen.left

    yield from _show_paused(scope, pause, begun)
    try:
        with _time_held(scope):
            yield from until(session, look)
    finally:
        scope.pauses -= 1
    answered = seen.answered is not None
    if scope.pauses == 0:
        message = "It was resumed." if answered else None
        yield from _advance(scope, (RUNNING, now(), None, message))
    if not answered:
        raise FlowPauseTimeout(EXPIRED)
    logs.write(scope.flow_run, logging.INFO, "Resumed.")
    return seen


def _show_paused(scope: FlowRunContext, pause: BeginPause, view: PauseView) -> Life:
    scope.pauses += 1
    if scope.pauses == 1:
        details: dict[str, Any] = {"pause_timeout": view.deadline, "pause_key": pause.key}
        given = {name: value for name, value in details.items() if value is not None}
        yield from _advance(scope, (PAUSED, now(), None, view.description, given or None))
    wants = "" if view.schema is None else " for an input"
    logs.write(scope.flow_run, logging.INFO, "Paused: it waits%s.", wants)
    yield Block(scope.session.journal.barrier)


def _advance(scope: FlowRunContext, entry: tuple[Any, ...]) -> Life:
    run = scope.flow_run
    if scope.flow.state_handlers:
        yield from hooks.change_state(scope.flow, run, entry, MISSING)
    else:
        run.history.append(entry)
        run.touch()


@contextlib.contextmanager
def _time_held(scope: Scope) -> Generator[None]:
    """Have no timeout of the flows around here count while the block waits."""
    limits = [limit for each in around(scope) if (limit := each.time_limit) is not None]
    for limit in limits:
        limit.hold()
    try:
        yield
    finally:
        for limit in limits:
            limit.go_on()


def around(scope: Scope | None) -> Generator[Scope]:
    """Yield a scope and those that it stands in, the innermost first."""
    while scope is not None:
        yield scope
        scope = scope.parent


def why_not_suspended(scope: Scope) -> str | None:
    """Say why the run cannot give its process back where the caller stands; None: it can."""
    if open_transaction() is not None:
        return "a transaction is open here, which leaving it would roll back"
    for each in around(scope):
        if isinstance(each, TaskRunContext):
            return "this is called inside of a task"
        if each.submitted:
            return f"flow {each.flow.name!r} was submitted, and others run beside it"
        if each.flow.is_generator:
            return f"flow {each.flow.name!r} is a generator"
    return None
