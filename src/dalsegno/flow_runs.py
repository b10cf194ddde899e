"""Flow runs that exist: trying one again from where it broke, starting one from another, waiting, sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dalsegno._backend.connect import connect, open_remote
from dalsegno._backend.run_waiting import RunId, RunWait, read_run
from dalsegno._engine import calling, hooks, sleeping
from dalsegno._engine.awaiting import awaited_in_coroutines, in_thread
from dalsegno._engine.claims import kept
from dalsegno._engine.context import tags_of
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.drivers import drive, driven, driven_async
from dalsegno._engine.replay import RerunPolicy
from dalsegno._engine.resuming import claimed_execution, fork_execution, resumed_execution
from dalsegno._processes import current_process
from dalsegno.exceptions import CannotResume
from dalsegno.flows import Flow, load_flow_from_entrypoint
from dalsegno.model.ids import id_text, parse_id
from dalsegno.model.queue import ClaimRuns
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.model.states import STATE_CODES
from dalsegno.model.views import FlowRunView
from dalsegno.pausing import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)
from dalsegno.settings import Settings
from dalsegno.tasks import task

if TYPE_CHECKING:
    from dalsegno.client import Client, SyncClient

__all__ = [
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "execute_flow_run",
    "fork_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "retry_flow_run",
    "set_task_result",
    "sleep",
    "suspend_flow_run",
    "wait_for_flow_run",
]


@awaited_in_coroutines
def retry_flow_run(
    id: RunId,
    from_: str | Iterable[str] | None = None,
    changed: bool = False,
    scratch: bool = False,
    parameters: Mapping[str, Any] | None = None,
    *,
    flow: Flow[..., Any] | None = None,
    return_state: bool = False,
) -> Any:
    """Execute a flow run again, here, from where it broke: what completed is not run again.

    Give it back what the flow's call gives back; in a coroutine it is to be awaited.

    Args:
        id: Of the flow run; for a nested one its root is executed, which picks up in it.
        from_: Names of tasks, or names or ids of task runs, that run again although they completed, and with them
            what depends on them.
        changed: Tasks whose source was changed since run again, and with them what depends on them.
        scratch: Everything runs again.
        parameters: Changed parameters: a new run, which starts from what this one completed.
        flow: The flow, where it cannot be loaded from the recorded entry point (a notebook).
        return_state: Give the final State instead of the value.

    Raises:
        ObjectNotFound: There is no such run.
        RunIsAlive: It is being executed.
        CannotResume: Its code or parameters are not to be had; the message says what to do.

    Example:
        >>> retry_flow_run("0193a0f2-7f3c-7a34-9d3e-0f5e5a9c2b11", from_="clean")
    """
    backend = connect()
    if parameters is not None:
        return fork_flow_run(
            id, parameters, from_=from_, changed=changed, scratch=scratch, flow=flow, return_state=return_state
        )
    view = read_run(backend, id)
    names = _names(from_)
    if view.root_run_id != view.id:
        if view.state.type == "COMPLETED" and not (names or changed or scratch) and view.parent_task_run_id:
            names = frozenset({id_text(view.parent_task_run_id)})
        view = read_run(backend, view.root_run_id)
    flow = flow or _load_flow(view)
    policy = RerunPolicy(from_=names, changed=changed)
    x = resumed_execution(backend, flow, view, None if scratch else policy)
    return _execute(x, view, return_state)


@awaited_in_coroutines
def fork_flow_run(
    id: RunId,
    parameters: Mapping[str, Any] | None = None,
    *,
    from_: str | Iterable[str] | None = None,
    changed: bool = False,
    scratch: bool = False,
    flow: Flow[..., Any] | None = None,
    return_state: bool = False,
) -> Any:
    """Start a new run from one that exists: calls with the same inputs are answered by what that one completed.

    Args:
        parameters: What differs from the parameters of the run that exists.

    The other arguments, and the errors, are those of `retry_flow_run`.

    Example:
        >>> fork_flow_run(run_id, {"day": "2026-02-01"})
    """
    backend = connect()
    view = read_run(backend, id)
    if view.root_run_id != view.id:
        raise CannotResume(
            f"Flow run {view.name!r} is nested: start from its root, {id_text(view.root_run_id)}, instead."
        )
    flow = flow or _load_flow(view)
    policy = RerunPolicy(from_=_names(from_), changed=changed)
    x = fork_execution(backend, flow, view, dict(parameters or {}), None if scratch else policy)
    return _execute(x, view, return_state)


@awaited_in_coroutines
def execute_flow_run(id: RunId, *, flow: Flow[..., Any] | None = None, return_state: bool = False) -> Any:
    """Claim a flow run that waits in the queue, even if it is not due yet, and execute it here.

    Gives back what the flow's call gives back; in a coroutine it is to be awaited.

    Args:
        id: Of the flow run.
        flow: The flow, where it cannot be loaded from the recorded entry point.
        return_state: Give the final State instead of the value.

    Raises:
        ObjectNotFound: There is no such run.
        CannotResume: It does not wait in the queue, or its code or parameters are not to be had.

    Example:
        >>> execute_flow_run("0193a0f2-7f3c-7a34-9d3e-0f5e5a9c2b11")
    """
    backend = connect()
    view = read_run(backend, id)
    process = current_process()
    request = ClaimRuns(process=process, holder=f"process {process.pid} on {process.host}", only=[view.id])
    claims = backend.claim_runs(request)
    if not claims:
        raise CannotResume(f"Flow run {view.name!r} does not wait in the queue: it is {view.state.name}.")
    claimed = claims[0]
    with kept(backend, process.id, claimed):
        try:
            x = claimed_execution(backend, flow or _load_flow(view), view, claimed.attempt)
        except BaseException as error:
            backend.crash_attempt(view.id, claimed.attempt, f"It could not be begun: {type(error).__name__}: {error}")
            raise
        return _execute(x, view, return_state)


class ClaimedAttempt:
    """An attempt of a flow run that somebody else has claimed, and whose lease they renew, to be executed here.

    Making it loads the flow and its parameters; raises what keeps it from being begun.
    """

    def __init__(self, id: bytes, attempt: int, entrypoint: str | None = None) -> None:
        backend = connect()
        self._view = read_run(backend, id)
        flow = _load_flow(self._view) if entrypoint is None else load_flow_from_entrypoint(entrypoint)
        self._execution = claimed_execution(backend, flow, self._view, attempt)

    def execute(self) -> Any:
        """Execute it; return its final State. Raises what broke it off, once that is recorded, and BackendError."""
        return _execute(self._execution, self._view, True)

    @property
    def concluded(self) -> bool:
        """Whether it came to an end of its own."""
        run = self._execution.run
        return run.ended or run.refused

    def call_hooks(self) -> None:
        """In place of executing it: call the hooks of the final state in which its process has left it."""
        x, seen = self._execution, self._view.state
        code = STATE_CODES[seen.type]
        x.run.history.append((code, seen.timestamp, seen.name, seen.message))
        x.run.refused = True  # The record stays as it is; the hooks see it.
        drive(hooks.call_all(hooks.for_state(x.flow, code), x.flow, x.run, None))


@awaited_in_coroutines
def set_task_result(id: RunId, value: Any) -> None:
    """Complete a failed task run by hand: its flow run, when it is retried, goes on with this value.

    Args:
        id: Of the task run.
        value: Plain data: None, booleans, numbers, texts, lists and dicts.

    Raises:
        TypeError: The value is not plain data.
        ObjectNotFound: There is no such task run.
        RunIsAlive: Its flow run is being executed.

    Example:
        >>> set_task_result(task_run_id, {"rate": 1.08})
        >>> retry_flow_run(flow_run_id)
    """
    from dalsegno.results.encoding import encode_payload
    from dalsegno.results.plain import plain_payload

    payload = plain_payload(value)
    if payload is None:
        raise TypeError(
            f"The result of a task run that is given by hand must be plain data (JSON), not {type(value).__name__}."
        )
    connect().set_task_result(parse_id(id), encode_payload(payload), "The result was supplied by hand.")


def sleep(duration: float | timedelta | None = None, *, until: datetime | None = None) -> Any:
    """Wait, as a recorded step: a run that is picked up waits only for what was left, or not again.

    A run that was claimed from the queue gives its process back for a sleep of five minutes or more (setting
    `pauses.suspend_sleep_from`): it is Suspended, and queued again when its time has come. So do only calls in the
    body of a flow that is not submitted; others, and runs that were called directly, sleep in their process.

    Args:
        duration: Seconds, or a timedelta.
        until: A time instead; with a time zone, or else in UTC.

    In a coroutine it is to be awaited.

    Example:
        >>> sleep(timedelta(minutes=5))
    """
    if (duration is None) == (until is None):
        raise TypeError("sleep takes either a duration or until=, and not both.")
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    stamp = None if until is None else (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    return (_sleep_async if in_async_context() else _sleep)(seconds, stamp)


@task(name="sleep", retries=0, persist_result=True)
def _sleep(seconds: float | None, until: float | None) -> None:
    driven(sleeping.sleep(seconds, until))


@task(name="sleep", retries=0, persist_result=True)
async def _sleep_async(seconds: float | None, until: float | None) -> None:
    await driven_async(sleeping.sleep(seconds, until))


def wait_for_flow_run(
    flow_run_id: RunId,
    timeout: float | None = 10800,
    poll_interval: float | None = None,
    client: Client | SyncClient | None = None,
    log_states: bool = False,
) -> Any:
    """Wait until a flow run has ended, and give it back as it is then. Raises nothing for how it ended.

    It is woken when something changes; nothing is asked for again and again. In a coroutine it is to be awaited.

    Args:
        flow_run_id: Of the flow run.
        timeout: Seconds to wait at most; None: without end.
        poll_interval: The least seconds between two looks at the run, where much changes; None: 0.05.
        client: Whose server is asked, in place of what the settings in force name.
        log_states: Whether each new state of the run is logged.

    Raises:
        ObjectNotFound: There is no such run, or it was deleted meanwhile.
        FlowRunWaitTimeout: It did not end in time; it goes on.

    Example:
        >>> run = wait_for_flow_run("0193a0f2-7f3c-7a34-9d3e-0f5e5a9c2b11", timeout=600)
        >>> run.state.name
        'Completed'
    """
    settings = None if client is None else client.settings
    wait = RunWait(flow_run_id, timeout, poll_interval, log_states)
    return _wait_async(wait, settings) if in_async_context() else _wait(wait, settings)


def _wait(wait: RunWait, settings: Settings | None) -> FlowRun:
    if settings is None:
        return wait.until_ended(connect())
    backend = open_remote(settings)
    try:
        return wait.until_ended(backend)
    finally:
        backend.close()


async def _wait_async(wait: RunWait, settings: Settings | None) -> FlowRun:
    try:
        return await in_thread(_wait, wait, settings)
    finally:
        # The thread is not to outlive a coroutine that was cancelled.
        wait.stop.set()


def _names(from_: str | Iterable[str] | None) -> frozenset[str]:
    if from_ is None:
        return frozenset()
    return frozenset({from_} if isinstance(from_, str) else map(str, from_))


def _load_flow(view: FlowRunView) -> Flow[..., Any]:
    entry = view.entry
    if entry is None or entry.entrypoint is None:
        reason = "its entry point was not recorded" if entry is None else entry.reason
        raise CannotResume(
            f"The code of flow run {view.name!r} cannot be loaded: {reason}. Where the flow is at hand, call "
            f"retry_flow_run({id_text(view.id)!r}, flow=your_flow)."
        )
    return load_flow_from_entrypoint(entry.entrypoint)


def _execute(x: Any, view: FlowRunView, return_state: bool) -> Any:
    with tags_of(frozenset(view.tags)):
        result = calling.run_execution(x, return_state)
        if x.flow.is_generator and x.flow.is_async:
            return asyncio.run(_drained(result))
        if x.flow.is_generator:
            return list(result)
        return asyncio.run(result) if x.flow.is_async else result


async def _drained(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]
