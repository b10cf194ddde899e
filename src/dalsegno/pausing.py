"""Pausing, suspending and resuming flow runs, from inside of them and from outside."""

from __future__ import annotations

from typing import Any

from dalsegno._backend.connect import connect
from dalsegno._backend.run_waiting import RunId
from dalsegno._engine import pausing
from dalsegno._engine.awaiting import awaited_in_coroutines
from dalsegno._engine.context import FlowRunContext, Scope, current_scope
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.drivers import driven, driven_async
from dalsegno._engine.pausing import Asked
from dalsegno._engine.wanted import Wanted, as_json
from dalsegno.model.ids import parse_id
from dalsegno.model.pauses import PauseKind, ResumeRun
from dalsegno.tasks import task

__all__ = [
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
]


def pause_flow_run(
    wait_for_input: Any = None, timeout: float | None = 3600, poll_interval: float = 10, key: str | None = None
) -> Any:
    """Wait in the body of a flow until somebody resumes its run; give back the input that they resumed it with.

    The flow run is Paused meanwhile, and its process waits. It is a recorded step: a run that is tried again after it
    was resumed is not paused there again, and one whose process is killed while it waits asks again when it is retried.
    The flow's own `timeout_seconds` stands still meanwhile. In a coroutine it is to be awaited.

    Args:
        wait_for_input: A pydantic model (such as a `RunInput`), or another type, of what is asked for; None: nothing.
        timeout: Seconds after which it is given up; None: never.
        poll_interval: Has no effect: the run is woken when it is resumed.
        key: A name of the pause, where a run waits in several places at once.

    Raises:
        RuntimeError: It is not called in the body of a flow.
        FlowPauseTimeout: Nobody resumed it in time. Unless it is caught, the flow is Failed.

    Example:
        >>> class Approval(RunInput):
        ...     approved: bool
        >>> if pause_flow_run(wait_for_input=Approval).approved:
        ...     publish(report)
    """
    _flow_here("paused")
    wanted, asked = _asked("pause", wait_for_input, timeout, key)
    if _is_drawn():
        return (_pause_async if in_async_context() else _pause)(key, asked)
    if in_async_context():
        return _wait_async(_pause_async, wanted, key, asked)
    return _read(wanted, _pause(key, asked))


def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: RunId | None = None,
    timeout: float | None = None,
    key: str | None = None,
) -> Any:
    """Give the process of a flow run back until somebody resumes it; then the body runs again, and what completed
    before is not run again.

    The body is broken off here, as when it is cancelled: `finally` blocks run, and what it submitted is waited for. The
    run is Suspended. One that was claimed from the queue is queued again when it is resumed; one that was called
    directly ends its call with PausedRun, and `dalsegno flow-run resume` executes it. When the body comes here again,
    it goes on with the input that it was resumed with. In a coroutine it is to be awaited.

    Args:
        wait_for_input: A pydantic model (such as a `RunInput`), or another type, of what is asked for; None: nothing.
        flow_run_id: Another flow run, that is to be suspended before its next task; None: the one around the call.
        timeout: Seconds after which the run is Failed if nobody resumed it; None: never.
        key: A name of the pause, where a run waits in several places at once.

    Raises:
        RuntimeError: It is not called in the body of a flow, or in one that cannot be suspended: in a transaction, in a
            flow that was submitted.
        ObjectNotFound: There is no such run.
        StateConflict: The other run has ended, or nobody executes it.

    Example:
        >>> suspend_flow_run(timeout=86400)
    """
    scope = FlowRunContext.get()
    if flow_run_id is not None and (scope is None or scope.flow_run.id_bytes != parse_id(flow_run_id)):
        if wait_for_input is not None:
            raise ValueError("Only a flow run itself can ask for an input: wait_for_input goes without flow_run_id.")
        return _request_suspension(parse_id(flow_run_id))
    here = _flow_here("suspended")
    why = None if _is_drawn() else pausing.why_not_suspended(here)
    if why is not None:
        raise RuntimeError(f"The flow run cannot be suspended here: {why}. Pause it, or suspend it elsewhere.")
    wanted, asked = _asked("suspend", wait_for_input, timeout, key)
    if _is_drawn():
        return (_suspend_async if in_async_context() else _suspend)(key, asked)
    if in_async_context():
        return _wait_async(_suspend_async, wanted, key, asked)
    return _read(wanted, _suspend(key, asked))


@awaited_in_coroutines
def resume_flow_run(flow_run_id: RunId, run_input: Any = None, *, key: str | None = None) -> None:
    """Have a paused or suspended flow run go on.

    A suspended run that was called directly is not executed by this: `dalsegno flow-run resume` does that, or
    `retry_flow_run`. A run that sleeps without its process wakes. In a coroutine it is to be awaited.

    Args:
        flow_run_id: Of the run that waits, or of the run that it is nested in.
        run_input: What it asked for: a dict, a model, or a value where it asked for one that is no model.
        key: Which of its pauses is meant, where it waits in several places.

    Raises:
        ObjectNotFound: There is no such run.
        StateConflict: It does not wait, or in several places.
        InvalidInput: The input does not fit; the message names the field.

    Example:
        >>> resume_flow_run("0193a0f2-7f3c-7a34-9d3e-0f5e5a9c2b11", {"approved": True})
    """
    given = None if run_input is None else as_json(run_input)
    connect().resume_run(ResumeRun(flow_run_id=parse_id(flow_run_id), input=given, key=key))


async def apause_flow_run(
    wait_for_input: Any = None, timeout: float | None = 3600, poll_interval: float = 10, key: str | None = None
) -> Any:
    """`pause_flow_run`, to be awaited."""
    return await _in_coroutine(pause_flow_run(wait_for_input, timeout, poll_interval, key))


async def asuspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: RunId | None = None,
    timeout: float | None = None,
    key: str | None = None,
) -> Any:
    """`suspend_flow_run`, to be awaited."""
    return await _in_coroutine(suspend_flow_run(wait_for_input, flow_run_id, timeout, key))


async def aresume_flow_run(flow_run_id: RunId, run_input: Any = None, *, key: str | None = None) -> None:
    """`resume_flow_run`, to be awaited."""
    await _in_coroutine(resume_flow_run(flow_run_id, run_input, key=key))


async def _in_coroutine(given: Any) -> Any:
    return await given if hasattr(given, "__await__") else given


@awaited_in_coroutines
def _request_suspension(flow_run_id: bytes) -> None:
    connect().request_pause(flow_run_id, True)


@task(name="pause_flow_run", retries=0, persist_result=True)
def _pause(key: str | None, asked: Asked) -> str | None:
    return driven(pausing.pause(asked))


@task(name="pause_flow_run", retries=0, persist_result=True)
async def _pause_async(key: str | None, asked: Asked) -> str | None:
    return await driven_async(pausing.pause(asked))


@task(name="suspend_flow_run", retries=0, persist_result=True)
def _suspend(key: str | None, asked: Asked) -> str | None:
    return driven(pausing.suspend(asked))


@task(name="suspend_flow_run", retries=0, persist_result=True)
async def _suspend_async(key: str | None, asked: Asked) -> str | None:
    return await driven_async(pausing.suspend(asked))


def _is_drawn() -> bool:
    """Tell whether the body around is only drawn: then the step gives a stand-in."""
    scope = current_scope()
    return scope is not None and scope.drawing is not None


def _flow_here(doing: str) -> Scope:
    """Return the scope of the flow whose body the caller stands in."""
    scope = current_scope()
    if scope is not None and (isinstance(scope, FlowRunContext) or scope.drawing is not None):
        return scope
    where = "outside of a flow" if scope is None else "in a task"
    raise RuntimeError(f"Only a flow run can be {doing}: this is called {where}. Call it in the body of a flow.")


def _asked(kind: PauseKind, wait_for_input: Any, timeout: float | None, key: str | None) -> tuple[Wanted | None, Asked]:
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout must not be negative; it is {timeout!r}.")
    if wait_for_input is None:
        return None, Asked(kind, timeout, key)
    wanted = Wanted(wait_for_input)
    return wanted, Asked(kind, timeout, key, wanted.schema, wanted.description, wanted.check)


def _read(wanted: Wanted | None, answer: str | None) -> Any:
    return None if wanted is None else wanted.read(answer)


async def _wait_async(step: Any, wanted: Wanted | None, key: str | None, asked: Asked) -> Any:
    return _read(wanted, await step(key, asked))
