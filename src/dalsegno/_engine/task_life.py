"""The life of a task run, written once: inputs → replay or cache → body → retries → result → hooks.

`task_life` is a generator that yields the few things that need the outside (`steps`); a driver performs them
(`drivers`), blocking or in a coroutine. A feature that a task does not use costs it one test of an attribute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Any, cast

from dalsegno._engine import caching, hooks, inputs, logs, task_slots, task_transactions, wishes
from dalsegno._engine.beginning import Beginning, begin
from dalsegno._engine.context import FlowRunContext, Scope, TaskRunContext, current_tags
from dalsegno._engine.futures import is_input
from dalsegno._engine.lineage import Recorded
from dalsegno._engine.replaying import note_rerun
from dalsegno._engine.runs import (
    CANCELLED,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    TaskRun,
    now,
)
from dalsegno._engine.session import Session
from dalsegno._engine.spec import TaskSpec
from dalsegno._engine.state_details import recorded_details
from dalsegno._engine.states import (
    MISSING,
    State,
    crash_message,
    error_text,
    raw_data,
    return_value_to_state,
)
from dalsegno._engine.steps import Block, Call, Invoke, Life, Sleep, Step, WaitFor
from dalsegno._engine.submission import Submissions
from dalsegno._engine.transacting import BaseTransaction, open_transaction
from dalsegno._engine.waiting import returned_states, unquoted
from dalsegno.exceptions import CrashedRun, RunCancelled, RunSuspended, Skip, TaskRunTimeoutError
from dalsegno.model.ids import new_id
from dalsegno.model.states import DEFAULT_NAMES, STATE_CODES, StateType

_SCALARS = inputs.SCALAR_TYPES


class TaskExecution:
    """One call of a task: what is called with what, where from, and the record of it."""

    __slots__ = (
        "task",
        "parameters",
        "wait_for",
        "parent",
        "flow_scope",
        "session",
        "run",
        "scan",
        "submissions",
        "persist",
        "answered_by",
        "beginning",
        "cache",
        "transaction",
    )

    def __init__(
        self,
        task: TaskSpec,
        parameters: dict[str, Any],
        wait_for: Any,
        parent: Scope | None,
        session: Session,
        submissions: Submissions | None,
    ) -> None:
        self.task = task
        self.parameters = parameters
        self.wait_for = wait_for
        self.parent = parent
        self.session = session
        self.submissions = submissions
        self.answered_by: Recorded | None = None
        """What an earlier run recorded of the call, if that is its answer."""
        self.beginning: Beginning | None = None
        self.cache: caching.CachePlan | None = None
        self.transaction: BaseTransaction | None = None
        self.scan = inputs.scan_inputs(parameters, is_input)
        flow_scope: FlowRunContext | None = None
        flow_run_id = parent_id = None
        if parent is not None:
            flow_scope = parent.flow_scope
            if flow_scope is not None:
                flow_run_id = flow_scope.flow_run.id_bytes
            if parent is not flow_scope:
                parent_id = parent.scope_id
        self.flow_scope = flow_scope
        persist = task.persist_result
        if persist is None:
            persist = flow_scope.persist_result if flow_scope is not None else None
        self.persist = session.persist_tasks if persist is None else persist
        stamp = time.time_ns()
        self.run = run = TaskRun(
            session.root_run_id if parent is None else new_id(stamp),
            session,
            task.definition,
            flow_run_id,
            parent_id,
        )
        run.history.append((PENDING, stamp // 1000))
        tags = current_tags()
        if tags:
            run.run_tags = tags
        if (
            open_transaction() is not None
            or (parent is not None and parent.transaction is not None)
            or task.on_commit_hooks
            or task.on_rollback_hooks
        ):
            self.transaction = task_transactions.join(self)

    @property
    def default_serializer(self) -> Any:
        return None if self.flow_scope is None else self.flow_scope.flow.result_serializer

    @property
    def default_storage(self) -> Any:
        return None if self.flow_scope is None else self.flow_scope.flow.result_storage

    @property
    def caller(self) -> Any:
        """The run in whose body the call stands; outside of runs its own."""
        return self.run if self.parent is None else self.parent.task_run or self.parent.flow_run

    @property
    def scope_id(self) -> bytes:
        """Where calls of this kind are counted: the parent task run, or else the flow run."""
        return self.parent.scope_id if self.parent is not None else b""


def task_life(x: TaskExecution) -> Life:
    """Live through one call of a task. What became of it is in `x.run`; only what is no Exception is raised."""
    run = x.run
    if run.refused:
        return  # The body that submitted it was broken off.
    if x.session.stop is not None:
        x.session.check()
    if x.session.wishes.wanted is not None:
        yield from wishes.obey(x)
    try:
        if not (yield from start(x)):
            return
        yield from body(x)
        yield from finish(x)
    except (Exception, GeneratorExit):
        raise
    except BaseException as error:
        # A signal may come between any two instructions, not only while the body runs.
        if run.ended:
            run.touch()
        elif run.run_count > 0 and x.answered_by is None:
            yield from interrupted(x, error)
        raise


def start(x: TaskExecution) -> Generator[Step, Any, bool]:
    """Settle the inputs of a call, and look for what answers it. False: the body is not to run."""
    task, run = x.task, x.run
    try:
        beginning = yield from begin(x)
        if beginning is Beginning.HELD_BACK:
            if run.ended:
                yield from finish(x)
            return False
        if beginning is Beginning.ANSWERED:
            if x.transaction is not None:
                yield from settle(x)
            return False
        if task.name_template is not None and run.custom_name is None:
            run.parameters = x.parameters
            run.custom_name = yield Invoke(task.render_run_name, (x.parameters,), new_scope(x))
        if task.caches and (yield from caching.find(x)):
            yield from finish(x)
            return False
    except Exception as error:
        # What users give to be called before the body (a trigger, a name) fails the run as the body would.
        if isinstance(error, Skip):
            logs.write(run, logging.INFO, "Skipped: %s", error)
        else:
            logs.failed(run, error)
        yield from conclude(x, *failure(error))
        yield from finish(x)
        return False
    return True


def alone(x: TaskExecution, life: Life) -> Life:
    """Live the life of a call outside of runs: its process is heard of while it lasts."""
    x.session.journal.enter(x.session, of_flow=False)
    try:
        yield from life
    finally:
        x.session.journal.leave(x.session)


def body(x: TaskExecution) -> Life:
    """Run the body, as often as retries allow, and bring the run to its final state."""
    task, run = x.task, x.run
    scope = new_scope(x)
    run.parameters = x.parameters
    args, kwargs = task.plan.arguments(x.parameters)
    if x.transaction is not None:
        yield from task_transactions.enter(x.transaction, scope)
    failures = 0
    entry: tuple[Any, ...]
    while True:
        slots = (yield from task_slots.take(x)) if x.session.journal.tags_matter else None
        if isinstance(slots, Exception):
            yield from conclude(x, *failure(slots))
            return
        run.run_count += 1
        stamp = now()
        if run.start_time_us is None:
            run.start_time_us = stamp
        yield from advance(x, (RUNNING, stamp) if failures == 0 else (RUNNING, stamp, "Retrying"))
        if task.on_running_hooks:
            yield from hooks.call_all(task.on_running_hooks, task, run, scope)
        if run.refused:
            yield from given_up(x)
            return
        try:
            call = Call(task.fn, args, kwargs, scope, task.timeout_seconds, scope.log_prints, timed_out)
            value = (yield call) if x.session.spans is None else (yield from x.session.spans.task(run, call))
        except Exception as error:
            if run.refused:
                yield from given_up(x)
                return
            entry, data = failure(error)
        except BaseException as error:
            if scope.transaction is not None:
                x.transaction = task_transactions.bound(x, scope.transaction)
            if slots is not None and not isinstance(error, GeneratorExit):
                yield from task_slots.give_back(x, slots)
            yield from interrupted(x, error)
            raise
        else:
            if run.refused:
                yield from given_up(x)
                return
            state = None if type(value) in _SCALARS else (yield from state_of(value))
            if state is None:
                value = unquoted(value)
                x.session.keeper.keep_task_result(x, value)
                entry, data = (COMPLETED, now()), value
            else:
                entry, data = entry_of(state), raw_data(state)
                if entry[0] == COMPLETED and data is not MISSING:
                    x.session.keeper.keep_task_result(x, data)
        if slots is not None:
            yield from task_slots.give_back(x, slots)
        if scope.transaction is not None:
            x.transaction = task_transactions.bound(x, scope.transaction)
        code = entry[0]
        if code == FAILED and task.retry is not None and not run.refused:
            delay = yield from retry_delay(x, scope, failures, entry, data)
            if delay is not None:
                failures += 1
                if x.transaction is not None:
                    yield from task_transactions.start_over(x.transaction, data)
                if delay > 0:
                    details = {"scheduled_time": now() + round(delay * 1e6)}
                    yield from advance(x, (SCHEDULED, now(), "AwaitingRetry", entry[3], details))
                    yield Sleep(delay, x.session)
                    x.session.check()
                    if run.refused:
                        return  # The body that submitted it was broken off meanwhile.
                continue
        if code == FAILED and task.has_fallback:
            entry, data = yield from fall_back(x, scope, entry, data)
        if isinstance(data, Exception) and entry[0] != COMPLETED:
            logs.failed(run, data)
        if x.transaction is not None:
            task_transactions.keep_values(x.transaction)
        yield from conclude(x, entry, data)
        return


def new_scope(x: TaskExecution) -> TaskRunContext:
    """Make the scope of the body, or of a hook. Prints are logged as the task says, else its flow, else the setting."""
    task, flow_scope = x.task, x.flow_scope
    prints = task.log_prints
    if prints is None:
        prints = x.session.settings.logging.log_prints if flow_scope is None else flow_scope.log_prints
    scope = TaskRunContext(
        x.session, task, x.run, x.parameters, task.is_async, flow_scope, prints, x.submissions, x.parent
    )
    if x.transaction is not None:
        scope.transaction = x.transaction
    return scope


def conclude(x: TaskExecution, entry: tuple[Any, ...], data: Any) -> Life:
    """Bring the run to its final state."""
    run = x.run
    run.end_time_us = entry[1]
    yield from advance(x, entry, data)
    if run.history[-1][0] == COMPLETED and run.value is not MISSING:
        x.session.links.note(run.value, run.id_bytes, run.execution_id, len(run.result) if run.result else 0)
        note_rerun(x, run.value)
        if not x.task.cache_result_in_memory and run.result is not None:
            x.session.keeper.forget(run)
    if x.cache is not None and x.transaction is None:
        yield from caching.store(x)
    if x.task.durable:
        yield Block(x.session.journal.barrier)


def advance(x: TaskExecution, entry: tuple[Any, ...], data: Any = MISSING) -> Life:
    """Go to the next state; state handlers may put another in its place."""
    run = x.run
    if run.refused:
        return
    if not x.task.state_handlers:
        run.value = data
        run.history.append(entry)
        run.touch()
        return
    yield from hooks.change_state(x.task, run, entry, data)


def failure(error: Exception) -> tuple[tuple[Any, ...], Any]:
    """Return the entry that an exception of the body makes, and its data."""
    if isinstance(error, Skip):
        return (COMPLETED, now(), "Skipped", str(error) or "The task skipped itself."), MISSING
    if isinstance(error, TaskRunTimeoutError):
        return (FAILED, now(), "TimedOut", str(error)), error
    if isinstance(error, TimeoutError):
        return (FAILED, now(), "TimedOut", f"Task run failed due to timeout: {error!r}"), error
    if isinstance(error, CrashedRun):
        return (CRASHED, now(), None, str(error)), error
    message = f"Task run encountered an exception {type(error).__name__}: {error_text(error)}"
    return (FAILED, now(), None, message), error


def interrupted(x: TaskExecution, error: BaseException) -> Life:
    """Record that the body was broken off by what is no Exception."""
    if isinstance(error, GeneratorExit):
        return
    if x.run.refused:
        yield from given_up(x)
        return
    if is_suspension(error):
        if x.run.history[-1][0] != PAUSED:
            yield from advance(x, (PAUSED, now(), "Suspended"))
        return
    cancelled = isinstance(error, RunCancelled) or x.run.cancelled
    entry = (
        (CANCELLED, now(), None, "The run was cancelled.")
        if cancelled
        else (CRASHED, now(), None, crash_message(x.session.cause_of(error)))
    )
    x.run.end_time_us = entry[1]
    yield from advance(x, entry, MISSING if x.run.told_to_stop else error)
    if x.cache is not None and x.transaction is None:
        yield from caching.store(x)
    yield from finish(x)


def is_suspension(error: BaseException) -> bool:
    """Tell whether a body was broken off because the run gives its process back."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(is_suspension(each) for each in group.exceptions)
    return isinstance(error, RunSuspended)


def given_up(x: TaskExecution) -> Life:
    """The run was brought to its end from outside meanwhile: let go of what it holds, and finish."""
    if x.cache is not None and x.transaction is None:
        yield from caching.store(x)
    yield from finish(x)


def finish(x: TaskExecution) -> Life:
    """Call the hooks of the final state, and settle the run's transaction."""
    task, run = x.task, x.run
    fns = hooks.for_state(task, run.history[-1][0])
    if fns:
        yield from hooks.call_all(fns, task, run, new_scope(x))
    if x.transaction is not None:
        yield from settle(x)


def settle(x: TaskExecution) -> Life:
    """Come to the end of the run's transaction."""
    assert x.transaction is not None
    if x.transaction.scope is None:
        x.transaction.scope = new_scope(x)
    yield from task_transactions.settle(x)


def state_of(value: Any) -> Generator[Step, Any, State[Any] | None]:
    """Return the State that a body's return value stands for; None for a plain value."""
    found = returned_states(value)
    if found is None:
        return None
    if found.pending:
        yield WaitFor(found.pending)
    return return_value_to_state(found.resolve())


def entry_of(state: State[Any]) -> tuple[Any, ...]:
    """Return the history entry of a State."""
    name = None if state.name == DEFAULT_NAMES[state.type] else state.name
    return (STATE_CODES[state.type], now(), name, state.message, recorded_details(state.state_details))


def retry_delay(
    x: TaskExecution, scope: TaskRunContext, failures: int, entry: tuple[Any, ...], data: Any
) -> Generator[Step, Any, float | None]:
    """Return how long to wait before the next run of the body; None if there is to be none."""
    retry = x.task.retry
    assert retry is not None
    if not retry.should_retry(failures, data if isinstance(data, BaseException) else None):
        return None
    if retry.condition is not None:
        state: State[Any] = State(StateType.FAILED, name=entry[2], message=entry[3], data=data)
        try:
            wanted = yield Invoke(retry.condition, (x.task, x.run, state), scope)
        except Exception as error:
            logs.write(x.run, logging.ERROR, "The retry condition of %r failed: %r", x.run.name, error)
            return None
        if not wanted:
            return None
    delay = retry.delay(failures)
    when = f"in {delay:g} second(s)" if delay else "now"
    logs.write(x.run, logging.WARNING, "%s. Retry %d/%d starts %s.", entry[3], failures + 1, retry.retries, when)
    return delay


def fall_back(
    x: TaskExecution, scope: TaskRunContext, entry: tuple[Any, ...], data: Any
) -> Generator[Step, Any, tuple[tuple[Any, ...], Any]]:
    """Return the entry and the value that stand in for a final failure."""
    value = x.task.fallback
    if callable(value):
        try:
            value = yield Invoke(value, (data, x.parameters), scope)
        except Exception as error:
            return failure(error)
    logs.write(x.run, logging.WARNING, "%s. The fallback is used.", entry[3])
    x.session.keeper.keep_task_result(x, value)
    return (COMPLETED, now(), "Fallback", f"Fell back: {entry[3]}"), value


def timed_out(seconds: float) -> Exception:
    """Make the error of a task run whose time is up."""
    return TaskRunTimeoutError(f"Task run exceeded timeout of {seconds} second(s)")
