"""From a call to its outcome: opens what is needed around a life, drives it, and gives back what became of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import generators, interrupts, logs
from dalsegno._engine.beginning import begin_early
from dalsegno._engine.context import Scope, current_scope
from dalsegno._engine.drivers import drive, drive_async
from dalsegno._engine.flow_life import FlowExecution, flow_life
from dalsegno._engine.futures import FlowRunFuture, Future
from dalsegno._engine.runs import COMPLETED, PENDING, Run
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.spec import FlowSpec, TaskSpec
from dalsegno._engine.states import MISSING, Lazy, get_state_exception, is_state_iterable, state_result
from dalsegno._engine.steps import Life
from dalsegno._engine.submission import Submissions
from dalsegno._engine.task_life import TaskExecution, alone, task_life
from dalsegno._engine.threads import ThreadLauncher
from dalsegno._engine.waiting import refuse_deadlock, upstreams
from dalsegno.exceptions import RunSuspended, UpstreamFailed
from dalsegno.model.ids import new_id

Connect = Callable[[], Backend]


# --- tasks


def call_task(
    task: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any, connect: Connect
) -> Any:
    """Run a task here and now; a coroutine or a generator where its function is one."""
    parent = current_scope()
    if parent is not None and parent.drawing is not None:
        return parent.drawing.call_task(task, args, kwargs, return_state, wait_for)
    x = prepare_task(task, task.plan.bind(args, kwargs), wait_for, connect, parent)
    if task.is_generator:
        return generators.stream_task(x, return_state)
    life = task_life(x) if parent is not None else alone(x, task_life(x))
    if task.is_async:
        return _finish_async(life, x.run, return_state)
    drive(life)
    return outcome(x.run, return_state)


def prepare_task(
    task: TaskSpec, parameters: dict[str, Any], wait_for: Any, connect: Connect, parent: Scope | None
) -> TaskExecution:
    """Make the execution of a call, in the scope that the caller stands in."""
    if parent is not None:
        x = TaskExecution(task, parameters, wait_for, parent, parent.session, parent.submissions)
        if x.scan is not None or wait_for:
            refuse_deadlock(upstreams(x), parent)
        if parent.closed:
            x.run.refused = True
        return x
    logs.ensure_logging()
    return TaskExecution(task, parameters, wait_for, None, Session(journal_for(connect()), new_id()), None)


def submit_task(task: TaskSpec, parameters: dict[str, Any], wait_for: Any, connect: Connect) -> Future[Any]:
    """Submit a call to the runner of the flow that the caller stands in. Raises RuntimeError where there is none."""
    (future,) = submit_chunk(task, [parameters], wait_for, connect)
    return future


def submit_chunk(
    task: TaskSpec, children: Sequence[dict[str, Any]], wait_for: Any, connect: Connect
) -> list[Future[Any]]:
    """Submit several calls of a task as one unit. Raises RuntimeError where there is no runner."""
    parent = current_scope()
    if parent is not None and parent.drawing is not None:
        return [parent.drawing.submit_task(task, parameters, wait_for) for parameters in children]
    submissions = runner_here(None if parent is None else parent.submissions, task.name)
    calls: list[tuple[TaskExecution, Life]] = []
    for parameters in children:
        x = prepare_task(task, parameters, wait_for, connect, parent)
        life = generators.drained(task_life(x), task.is_async) if task.is_generator else task_life(x)
        calls.append((x, life))
    return submissions.submit_chunk(calls)


def runner_here(submissions: Submissions | None, name: str) -> Submissions:
    """Return the submissions of the body that the caller stands in."""
    if submissions is None:
        raise RuntimeError(
            f"{name!r} cannot be submitted here: there is no task runner outside of flows. Call submit or map in the "
            "body of a flow (or of a task that a flow runs), or call the task directly."
        )
    if submissions.closed:
        raise RuntimeError(f"{name!r} cannot be submitted here: the flow run has ended.")
    return submissions


async def _finish_async(life: Any, run: Run, return_state: bool) -> Any:
    await drive_async(life)
    return outcome(run, return_state)


def outcome(run: Run, return_state: bool) -> Any:
    """Return what a call gives back: the value, or the State; or raise what the run failed with."""
    if return_state:
        return run.state
    code = run.history[-1][0]
    if code == COMPLETED:
        value = run.value
        if value is MISSING:
            return None
        return value.get() if isinstance(value, Lazy) else value
    if code == PENDING:
        raise UpstreamFailed(f"{run.name!r} did not run. {run.state.message or ''}")
    if is_state_iterable(run.value):
        return run.value
    if code > COMPLETED:
        raise get_state_exception(run.state)
    return state_result(run.state)


# --- flows


def call_flow(
    flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any], return_state: bool, wait_for: Any, connect: Connect
) -> Any:
    """Run a flow here and now, nested in the run that the caller stands in or as a root of its own."""
    parent = current_scope()
    if parent is not None and parent.drawing is not None:
        return parent.drawing.call_flow(flow, args, kwargs, return_state, wait_for)
    x = prepare_flow(flow, flow.plan.bind(args, kwargs), wait_for, connect)
    return run_execution(x, return_state)


def run_execution(x: FlowExecution, return_state: bool = False) -> Any:
    """Live through a flow's execution and return what its call gives back."""
    flow = x.flow
    if flow.is_generator:
        return generators.stream_flow(x, return_state)
    life = flow_life(x)
    if flow.is_async:
        return _run_flow_async(x, life, return_state)
    if x.is_root:
        with contextlib.suppress(RunSuspended), interrupts.listening(x.session, x.run) as listener:
            try:
                drive(life)
            finally:
                listener.end()
    else:
        drive(life)
    return flow_outcome(x, return_state)


def flow_outcome(x: FlowExecution, return_state: bool) -> Any:
    """Return what a flow's call gives back; a nested one's that did not run, or was replayed, is its stand-in's."""
    return outcome(x.call.run if x.call is not None and x.run.refused else x.run, return_state)


async def _run_flow_async(x: FlowExecution, life: Any, return_state: bool) -> Any:
    if x.is_root:
        with contextlib.suppress(RunSuspended), interrupts.listening_in_loop(x.session, x.run):
            await drive_async(life)
    else:
        await drive_async(life)
    return flow_outcome(x, return_state)


def prepare_flow(flow: FlowSpec, parameters: dict[str, Any], wait_for: Any, connect: Connect) -> FlowExecution:
    """Make the execution of a call of a flow, in the scope that the caller stands in."""
    parent = current_scope()
    if parent is not None:
        call = TaskExecution(flow.stand_in, parameters, wait_for, parent, parent.session, parent.submissions)
        if call.scan is not None or wait_for:
            refuse_deadlock(upstreams(call), parent)
        return FlowExecution(flow, parameters, parent.session, call=call)
    logs.ensure_logging()
    session = Session(journal_for(connect()), new_id())
    x = FlowExecution(flow, parameters, session)
    x.run.entry = flow.entry
    if wait_for:
        for future in wait_for:
            getattr(future, "wait", lambda: None)()
    return x


def submit_flow(flow: FlowSpec, parameters: dict[str, Any], wait_for: Any, connect: Connect) -> FlowRunFuture[Any]:
    """Submit a nested flow: it runs beside the others, and gives a future."""
    parent = current_scope()
    if parent is not None and parent.drawing is not None:
        return parent.drawing.submit_flow(flow, parameters, wait_for)
    submissions = runner_here(None if parent is None else parent.submissions, flow.name)
    x = prepare_flow(flow, parameters, wait_for, connect)
    x.submitted = True
    assert x.call is not None
    found = upstreams(x.call)
    future: FlowRunFuture[Any] = FlowRunFuture(x.call.run, x.run.id_bytes)
    if begin_early(x.call, found):
        x.run.refused = True
        future.set_done()
        return future
    life = generators.drained(flow_life(x), flow.is_async) if flow.is_generator else flow_life(x)
    submissions.start(future, life, submissions.flow_launcher(ThreadLauncher), found, is_async=flow.is_async)
    return future
