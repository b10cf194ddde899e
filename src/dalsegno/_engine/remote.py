"""A body that runs in another process: what is sent there, what happens there, and what comes back.

The life of the run stays here; only the call of its body goes. There, a session of the same attempt records what the
body logs and calls.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import drivers, logs
from dalsegno._engine.context import FlowRunContext, TaskRunContext, current_tags, tags_of
from dalsegno._engine.runs import RUNNING, FlowRun, TaskRun, now
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.steps import Call
from dalsegno._engine.submission import Submissions
from dalsegno._engine.task_life import timed_out
from dalsegno.exceptions import SerializationError


class RemoteError(Exception):
    """Carries the traceback of the other process, as the cause of the error that was raised there."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def pack_call(step: Call) -> bytes:
    """Return a call as bytes. Raises SerializationError, which names the task, if it cannot be sent."""
    scope = step.scope
    assert isinstance(scope, TaskRunContext)
    run, flow_scope = scope.task_run, scope.flow_scope
    message: dict[str, Any] = {
        "fn": step.fn,
        "args": step.args,
        "kwargs": step.kwargs,
        "timeout": step.timeout,
        "log_prints": step.log_prints,
        "tags": current_tags(),
        "root": scope.session.root_run_id,
        "attempt": scope.session.attempt,
        "task": scope.task,
        "task_run": (
            run.id_bytes,
            run.definition,
            run.flow_run_id_bytes,
            run.parent_task_run_id_bytes,
            run.custom_name,
            run.run_count,
            run.run_tags,
        ),
        "parameters": scope.parameters,
        "flow": None if flow_scope is None else _pack_flow(flow_scope),
    }
    try:
        return _dumps(message)
    except Exception as error:
        raise SerializationError(
            f"Task {scope.task.name!r} cannot be sent to another process: its function or its arguments cannot be "
            f"pickled ({error}). Run it on threads, or pass what can be pickled."
        ) from error


def _pack_flow(scope: FlowRunContext) -> dict[str, Any]:
    run = scope.flow_run
    return {
        "flow": scope.flow,
        "parameters": scope.parameters,
        "log_prints": scope.log_prints,
        "persist_result": scope.persist_result,
        "run": (
            run.id_bytes,
            run.definition,
            run.name,
            run.run_tags,
            run.run_count,
            run.parent_task_run_id_bytes,
            run.parent_flow_run_id_bytes,
        ),
    }


def unpack_reply(reply: bytes) -> Any:
    """Return what a body gave in the other process, or raise what it raised."""
    import cloudpickle

    kind, value, trace = cloudpickle.loads(reply)
    if kind == "value":
        return value
    value.__cause__ = RemoteError(trace)
    raise value


def run_call(message: bytes, connect: Callable[[], Backend], open_runner: Callable[[], Any]) -> bytes:
    """In the other process: run a body and return its outcome as bytes."""
    import cloudpickle

    call: dict[str, Any] = cloudpickle.loads(message)
    logs.ensure_logging()
    journal = journal_for(connect())
    session = Session(journal, call["root"], attempt=call["attempt"])
    journal.enter(session)
    submissions = Submissions(session, open_runner())
    scope = _scope(call, session, submissions)
    body = _blocking(call["fn"]) if inspect.iscoroutinefunction(call["fn"]) else call["fn"]
    step = Call(body, call["args"], call["kwargs"], scope, call["timeout"], call["log_prints"], timed_out)
    try:
        with tags_of(call["tags"]):
            outcome = ("value", drivers.call(step), None)
    except Exception as error:
        outcome = ("error", error, traceback.format_exc())
    finally:
        for future in list(submissions.open_futures):
            future.wait()
        submissions.close()
        # What the body logged and called is recorded before its run goes on.
        journal.barrier(durable=False)
        journal.leave(session)
    try:
        return _dumps(outcome)
    except Exception as error:
        text = f"What the task gave in the other process cannot be sent back: {error}. It was {outcome[1]!r:.200}"
        return _dumps(("error", SerializationError(text), outcome[2] or ""))


def _dumps(value: Any) -> bytes:
    import cloudpickle

    pickled: Any = cloudpickle
    return pickled.dumps(value)


def _blocking(fn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: asyncio.run(fn(*args, **kwargs))


def _scope(call: dict[str, Any], session: Session, submissions: Submissions) -> TaskRunContext:
    """Rebuild the scope of the body; its records are read-only here, since they are written where it came from."""
    flow_scope = None
    if call["flow"] is not None:
        sent = call["flow"]
        id_, definition, name, tags, count, parent_task, parent_flow = sent["run"]
        flow_run = FlowRun(id_, session, definition, sent["parameters"])
        flow_run.name, flow_run.run_tags, flow_run.run_count = name, tags, count
        flow_run.parent_task_run_id_bytes, flow_run.parent_flow_run_id_bytes = parent_task, parent_flow
        flow_run.refused = True
        flow_run.history.append((RUNNING, now()))
        flow_scope = FlowRunContext(
            session=session,
            flow=sent["flow"],
            flow_run=flow_run,
            parameters=sent["parameters"],
            is_async=False,
            log_prints=sent["log_prints"],
            persist_result=sent["persist_result"],
            submissions=submissions,
            parent=None,
            replay=None,
        )
    id_, definition, flow_run_id, parent, name, count, run_tags = call["task_run"]
    run = TaskRun(id_, session, definition, flow_run_id, parent)
    run.custom_name, run.run_count, run.run_tags, run.refused = name, count, run_tags, True
    run.history.append((RUNNING, now()))
    is_async = inspect.iscoroutinefunction(call["fn"])
    return TaskRunContext(
        session,
        call["task"],
        run,
        call["parameters"],
        is_async,
        flow_scope,
        call["log_prints"],
        submissions,
        flow_scope,
    )
