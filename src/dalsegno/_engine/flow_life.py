"""The life of a flow run, written once: inputs → replay → parameters → body → final state → retries → hooks.

Like a task's (`task_life`), a generator of steps. A nested flow run has a task run that stands for it in its parent,
by which it is replayed as a whole, or entered again.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

from dalsegno._engine import hooks, logs
from dalsegno._engine.beginning import Beginning, begin
from dalsegno._engine.context import FlowRunContext, Scope, current_tags
from dalsegno._engine.lineage import Replay
from dalsegno._engine.replay import ReplayIndex
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
    FlowRun,
    now,
)
from dalsegno._engine.session import Session
from dalsegno._engine.spec import FlowSpec
from dalsegno._engine.states import (
    MISSING,
    crash_message,
    error_text,
    raw_data,
)
from dalsegno._engine.steps import Block, Call, Invoke, Life, Sleep, Step, WaitFor
from dalsegno._engine.submission import Submissions
from dalsegno._engine.task_life import TaskExecution, entry_of, is_suspension, state_of
from dalsegno._engine.task_transactions import around_flow
from dalsegno._engine.waiting import unquoted
from dalsegno.exceptions import (
    BackendError,
    FlowPauseTimeout,
    FlowRunTimeoutError,
    ParameterTypeError,
    RunCancelled,
    RunFenced,
    RunSuspended,
    Skip,
    TerminationSignal,
    UpstreamFailed,
)
from dalsegno.model.ids import new_id


class FlowExecution:
    """One call of a flow: what is called with what, and the record of it."""

    def __init__(
        self,
        flow: FlowSpec,
        parameters: dict[str, Any],
        session: Session,
        *,
        call: TaskExecution | None = None,
        submitted: bool = False,
        run: FlowRun | None = None,
        replay: Replay | None = None,
    ) -> None:
        self.flow = flow
        self.parameters = parameters
        self.session = session
        self.call = call
        """The call in the parent, whose task run stands for this flow run; None for a root."""
        self.submitted = submitted
        self.parent: Scope | None = None if call is None else call.parent
        self.replay = replay
        self.scope: FlowRunContext | None = None
        if run is None:
            run = FlowRun(session.root_run_id if call is None else new_id(), session, flow.definition, parameters)
            run.history.append((PENDING, now()))
            run.run_tags = current_tags()
            if call is not None:
                run.parent_task_run_id_bytes = call.run.id_bytes
                if call.flow_scope is not None:
                    run.parent_flow_run_id_bytes = call.flow_scope.flow_run.id_bytes
        self.run = run
        if call is not None and call.transaction is not None and call.transaction.part is not None:
            call.transaction.part.flow_run = run

    @property
    def is_root(self) -> bool:
        return self.call is None


def flow_life(x: FlowExecution) -> Life:
    """Live through one call of a flow. What became of it is in `x.run`; only what is no Exception is raised."""
    if x.is_root:
        x.session.journal.enter(x.session)
    if x.session.stop is not None:
        x.session.check()
    try:
        if x.call is not None and not (yield from enter_from_parent(x, x.call)):
            return
        if (yield from prepare(x)):
            yield from attempts(x)
    except GeneratorExit:
        raise
    except Exception as error:
        # What keeps a run from going on (its records cannot be read) ends it: nobody else would.
        if x.run.ended or x.run.refused:
            raise
        yield from conclude(x, *failure(x, error))
    except BaseException as error:
        yield from interrupted(x, error)
        raise
    finally:
        if x.is_root:
            x.session.journal.leave(x.session)


def enter_from_parent(x: FlowExecution, call: TaskExecution) -> Generator[Step, Any, bool]:
    """Settle the inputs of a nested flow's call. False: it may not start, or is answered by an earlier run."""
    beginning = yield from begin(call)
    replay = x.replay = None if call.flow_scope is None else call.flow_scope.replay
    recorded = call.run.child_flow_run_id
    if beginning is Beginning.HELD_BACK and failed_argument(call):
        message = call.run.state.message
        if recorded is not None:
            yield Block(lambda: continue_flow_run(x, recorded))
        x.run.name = x.run.name or x.flow.name
        x.run.parent_task_run_id_bytes = call.run.id_bytes
        call.run.child_flow_run_id = x.run.id_bytes
        yield from conclude(x, (FAILED, now(), None, message), UpstreamFailed(message))
        return False
    if beginning is not Beginning.RUN:
        x.run.refused = True
        return False
    x.parameters = x.run.parameters = call.parameters
    if replay is not None:
        if recorded is not None:
            yield Block(lambda: continue_flow_run(x, recorded))
        replay.enter_flow(call.run.id_bytes, x.run.id_bytes)
    x.run.parent_task_run_id_bytes = call.run.id_bytes
    call.run.child_flow_run_id = x.run.id_bytes
    call.run.custom_name = x.run.name or None
    return True


def failed_argument(call: TaskExecution) -> bool:
    """Tell whether a call was held back for an argument (and not for what is in its `wait_for`)."""
    found = call.scan.found if call.scan is not None else []
    return call.run.state.name == "NotReady" and any(
        not f.allow_failure and not getattr(f.item, "state", f.item).is_completed() for f in found
    )


def continue_flow_run(x: FlowExecution, id_: bytes) -> None:
    """Let the row of an earlier, unfinished run of a nested flow go on."""
    view = x.session.backend.read_flow_run(id_)
    if view is not None:
        x.run.id_bytes = view.id
        x.run.name = view.name
        x.run.run_count = view.run_count
        if x.replay is not None and x.replay.same_attempt:
            x.run.first_position = len(view.states or ())


def prepare(x: FlowExecution) -> Generator[Step, Any, bool]:
    """Validate parameters and name the run. False: they are bad, and the run has failed."""
    flow, run = x.flow, x.run
    try:
        if flow.should_validate_parameters:
            x.parameters = run.parameters = flow.validated(x.parameters)
        if not run.name:
            run.name = yield Invoke(flow.render_run_name, (x.parameters,), new_scope(x))
    except Exception as error:
        run.name = run.name or flow.name
        if not isinstance(error, ParameterTypeError):
            prefix = "Flow run could not be named: "
        else:
            prefix = "Validation of flow parameters failed with error: "
        yield from conclude(x, (FAILED, now(), None, f"{prefix}{error}"), error)
        return False
    if x.call is not None:
        x.call.run.custom_name = run.name
        note_rerun(x.call, x.parameters)  # validation copies what it is given
    record_parameters(x)
    return True


def record_parameters(x: FlowExecution) -> None:
    """Note the parameters in the record, for people and for a later retry."""
    run = x.run
    run.parameters_text = x.flow.parameters_text(x.parameters)
    if x.is_root:
        x.session.keeper.keep_parameters(run, x.parameters)


def attempts(x: FlowExecution) -> Life:
    """Run the body, as often as the flow's own retries allow, and bring the run to its final state."""
    flow, run = x.flow, x.run
    failures = 0
    logs.write(run, logging.INFO, "Begins: flow %r.", flow.name)
    while True:
        entry, data = yield from run_body(x, failures)
        retry = flow.retry
        if entry[0] != FAILED or retry is None:
            break
        if not retry.should_retry(failures, data if isinstance(data, BaseException) else None):
            break
        delay = retry.delay(failures)
        failures += 1
        logs.write(
            run,
            logging.INFO,
            "Retry %d/%d starts %s.",
            failures,
            retry.retries,
            f"in {delay:g} second(s)" if delay else "now",
        )
        if delay > 0:
            details = {"scheduled_time": now() + round(delay * 1e6)}
            yield from advance(x, (SCHEDULED, now(), "AwaitingRetry", entry[3], details), MISSING)
            yield Sleep(delay, x.session)
            x.session.check()
        try:
            yield Block(lambda: load_replay(x))
        except BackendError as error:
            logs.write(run, logging.ERROR, "It is not retried: what it recorded cannot be read: %s", error)
            entry = (
                FAILED,
                now(),
                None,
                f"{entry[3]}. It was not retried: what it recorded could not be read: {error}",
            )
            break
    yield from conclude(x, entry, data)


def load_replay(x: FlowExecution) -> None:
    """Read what the run of the body that has just failed recorded, so that the next one picks up there."""
    x.session.journal.barrier(durable=False)
    before, backend, within = x.replay, x.session.backend, x.run.id_bytes
    if before is None:
        before = Replay(ReplayIndex(backend, x.session.root_run_id, within=within, begins=True))
    x.replay = before.successor(backend, within)


def run_body(x: FlowExecution, failures: int) -> Generator[Step, Any, tuple[tuple[Any, ...], Any]]:
    """Run the body once, and wait for what it submitted; return the entry that it leads to, and its data."""
    flow, run = x.flow, x.run
    scope = x.scope = new_scope(x)
    submissions = scope.submissions
    scope.transaction = around_flow(x.call)
    run.run_count += 1
    stamp = now()
    if run.start_time_us is None:
        run.start_time_us = stamp
    yield from advance(x, (RUNNING, stamp) if failures == 0 else (RUNNING, stamp, "Retrying"), MISSING)
    if flow.on_running_hooks:
        yield from hooks.call_all(flow.on_running_hooks, flow, run, scope)
    args, kwargs = flow.plan.arguments(x.parameters)
    call = Call(flow.fn, args, kwargs, scope, flow.timeout_seconds, scope.log_prints, timed_out)
    spans = x.session.spans
    try:
        value = yield from (
            call_and_wait(call, submissions)
            if spans is None
            else spans.flow(run, call, lambda: call_and_wait(call, submissions))
        )
        state = yield from state_of(value)
    except Exception as error:
        return failure(x, error)
    except GeneratorExit:
        raise
    except BaseException as error:
        submissions.abandon(error)
        raise
    finally:
        scope.closed = True
        submissions.close()
    if state is None:
        return (COMPLETED, now()), unquoted(value)
    return entry_of(state), raw_data(state)


def call_and_wait(call: Call, submissions: Submissions) -> Generator[Step, Any, Any]:
    """Call the body, and wait for what it submitted, also if it failed."""
    try:
        value = yield call
    except FlowRunTimeoutError:
        submissions.abandon(RunCancelled("The time of its flow run was up."))
        raise
    except (Exception, RunSuspended):
        yield from wait_for_submitted(submissions)
        raise
    yield from wait_for_submitted(submissions)
    return value


def new_scope(x: FlowExecution) -> FlowRunContext:
    """Make the scope of one run of the body."""
    flow = x.flow
    prints = flow.log_prints
    return FlowRunContext(
        session=x.session,
        flow=flow,
        flow_run=x.run,
        parameters=x.parameters,
        is_async=flow.is_async,
        log_prints=x.session.settings.logging.log_prints if prints is None else prints,
        persist_result=flow.persist_result,
        submissions=Submissions(x.session, flow.task_runner),
        parent=x.parent,
        replay=x.replay,
        submitted=x.submitted,
    )


def wait_for_submitted(submissions: Submissions) -> Life:
    """Wait until nothing that the body submitted is under way, also what was submitted meanwhile."""
    while submissions.open_futures:
        yield WaitFor(list(submissions.open_futures))


def failure(x: FlowExecution, error: Exception) -> tuple[tuple[Any, ...], Any]:
    """Return the entry that an exception of the body makes, and its data."""
    if isinstance(error, Skip):
        return (COMPLETED, now(), "Skipped", str(error) or "The flow skipped itself."), MISSING
    if isinstance(error, FlowRunTimeoutError):
        logs.write(x.run, logging.ERROR, "%s", error)
        return (FAILED, now(), "TimedOut", str(error)), error
    if isinstance(error, FlowPauseTimeout):
        logs.write(x.run, logging.ERROR, "%s", error)
        return (FAILED, now(), None, str(error)), error
    logs.failed(x.run, error)
    if isinstance(error, RunFenced):
        return (CRASHED, now(), None, str(error)), error
    return (
        FAILED,
        now(),
        None,
        f"Flow run encountered an exception: {type(error).__name__}: {error_text(error)}",
    ), error


def interrupted(x: FlowExecution, error: BaseException) -> Life:
    """Record that the body was broken off by what is no Exception."""
    if x.scope is not None:
        x.scope.closed = True
    if is_suspension(error) and not x.run.ended:
        yield from suspended(x)
    elif x.run.ended:
        # It came after the end, while hooks were called or the end was written: what is recorded stays.
        x.run.touch()
        if x.is_root:
            yield Block(x.session.journal.barrier)
    elif isinstance(error, RunCancelled) or (yield from is_cancelled(x, error)):
        yield from conclude(x, (CANCELLED, now(), None, "The run was cancelled."), error)
    else:
        message = crash_message(x.session.cause_of(error))
        logs.write(x.run, logging.ERROR, "Crashed: %s", message)
        yield from conclude(x, (CRASHED, now(), None, message), error)


def suspended(x: FlowExecution) -> Life:
    """Record that the run gives its process back: a root's is on disk before it does."""
    message, details = x.session.suspension or ("It waits to be resumed.", {})
    yield from advance(x, (PAUSED, now(), "Suspended", message, details), MISSING)
    logs.write(x.run, logging.INFO, "Suspended: %s", message)
    if x.is_root:
        yield Block(x.session.journal.barrier)
        x.run.refused = True  # from here on it is the store's: it may have been claimed already


def is_cancelled(x: FlowExecution, error: BaseException) -> Generator[Step, Any, bool]:
    """Tell whether a body was broken off because somebody wants the run cancelled.

    A signal may come before that was heard of: code that holds the interpreter lets nothing else be heard.
    """
    if x.session.stop is None and isinstance(x.session.cause_of(error), TerminationSignal):
        yield Block(x.session.hear)
    return x.session.stop is RunCancelled


def advance(x: FlowExecution, entry: tuple[Any, ...], data: Any) -> Life:
    """Go to the next state, and the stand-in in the parent with it."""
    run = x.run
    if x.flow.state_handlers:
        yield from hooks.change_state(x.flow, run, entry, data)
    else:
        run.value = data
        run.history.append(entry)
        run.touch()
    if x.call is not None:
        mirror(x, x.call)


def mirror(x: FlowExecution, call: TaskExecution) -> None:
    """Bring the stand-in to the state of the flow run."""
    run, stand_in = x.run, call.run
    entry = run.history[-1]
    stand_in.start_time_us, stand_in.end_time_us = run.start_time_us, run.end_time_us
    stand_in.run_count = run.run_count
    stand_in.value = run.value
    stand_in.history.append(entry)
    if entry[0] == COMPLETED and run.value is not MISSING:
        call.session.keeper.keep_task_result(call, run.value)
        x.session.links.note(run.value, stand_in.id_bytes, stand_in.execution_id, len(stand_in.result or b""))
        note_rerun(call, run.value)
    stand_in.touch()


def conclude(x: FlowExecution, entry: tuple[Any, ...], data: Any) -> Life:
    """Bring the run to its final state, and wait until that is on disk if it is a root."""
    flow, run = x.flow, x.run
    run.end_time_us = entry[1]
    if x.is_root and entry[0] == COMPLETED and data is not MISSING and persists(x):
        x.session.keeper.keep(run, data, serializer=flow.result_serializer, storage=flow.result_storage)
    if x.replay is not None and entry[0] == COMPLETED:
        x.session.journal.supersede(x.session.root_run_id, x.replay.unused(run.id_bytes))
    yield from advance(x, entry, data)
    logs.write(run, logging.INFO, "Finished: %s", run.state)
    fns = hooks.for_state(flow, run.history[-1][0])
    if fns:
        yield from hooks.call_all(fns, flow, run, x.scope)
    if x.is_root:
        yield Block(x.session.journal.barrier)


def persists(x: FlowExecution) -> bool:
    """Tell whether the flow's own result is kept."""
    return x.session.persist_default if x.flow.persist_result is None else x.flow.persist_result


def timed_out(seconds: float) -> Exception:
    """Make the error of a flow run whose time is up."""
    return FlowRunTimeoutError(f"Flow run exceeded timeout of {seconds} second(s)")
