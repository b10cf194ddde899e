"""A body that runs in another process: what is sent there, and what comes back.

The life of the run stays here; only the call of its body goes.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import task_transactions
from dalsegno._engine.breaking import door
from dalsegno._engine.carrying import opened_scope, pack_scope
from dalsegno._engine.context import Scope, TaskRunContext
from dalsegno._engine.steps import Call
from dalsegno._engine.task_life import timed_out
from dalsegno.exceptions import RunCancelled, SerializationError, TerminationSignal


class RemoteError(Exception):
    """Carries the traceback of the other process, as the cause of the error that was raised there."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class UnreadableCalls(SerializationError):
    """What was sent cannot be read by the other process; none of it ran."""


def pack_calls(steps: Sequence[Call]) -> bytes:
    """Return calls as bytes. Raises SerializationError, which names the task, if they cannot be sent."""
    scope = steps[0].scope
    assert isinstance(scope, TaskRunContext)
    messages = [(s.fn, s.args, s.kwargs, s.timeout, s.log_prints, pack_scope(s.scope)) for s in steps]
    try:
        return len(steps).to_bytes(4, "big") + dumps(messages)
    except Exception as error:
        raise SerializationError(
            f"Task {scope.task.name!r} cannot be sent to another process: its function or its arguments cannot be "
            f"pickled ({error}). Run it on threads, or pass what can be pickled."
        ) from error


def unpack_reply(reply: bytes, scope: Scope) -> Any:
    """Return what a body gave in the other process, or raise what it raised; what it set in its transaction is set."""
    import cloudpickle

    kind, value, rest = cloudpickle.loads(reply)
    if kind == "value":
        task_transactions.bring_home(scope, rest)
        return value
    trace = rest
    value.__cause__ = RemoteError(trace)
    raise value


def run_calls(message: bytes, connect: Callable[[], Backend], open_runner: Callable[[], Any]) -> Iterator[bytes]:
    """In the other process: run bodies, one after another, and give the outcome of each as bytes."""
    import cloudpickle

    try:
        calls: list[Any] = cloudpickle.loads(memoryview(message)[4:])
    except Exception as error:
        text = f"The task cannot be run in another process, which cannot read what it is to call: {error!r}"
        reply = dumps(("error", UnreadableCalls(text), traceback.format_exc()))
        yield from [reply] * int.from_bytes(message[:4], "big")
        return
    for call in calls:
        yield run_call(call, connect, open_runner)


def run_call(call: Any, connect: Callable[[], Backend], open_runner: Callable[[], Any]) -> bytes:
    """In the other process: run a body and return its outcome as bytes."""
    import cloudpickle

    fn, args, kwargs, timeout, log_prints, packed = call
    is_async = inspect.iscoroutinefunction(fn)
    body = _blocking(fn) if is_async else fn
    try:
        # What the body logged and called is recorded before its run goes on.
        with opened_scope(packed, connect, open_runner, is_async=is_async) as scope:
            assert scope is not None
            step = Call(body, args, kwargs, scope, timeout, log_prints, timed_out)
            value = task_transactions.call_elsewhere(step)
            outcome = ("value", value, task_transactions.to_bring_home(scope))
    except (RunCancelled, TerminationSignal):
        raise  # the process is told to stop
    except BaseException as error:
        outcome = ("error", error, traceback.format_exc())
    try:
        reply = dumps(outcome)
        if outcome[0] == "error":
            cloudpickle.loads(reply)  # an error may be pickled and yet not be read again
        return reply
    except Exception as error:
        text = f"What the task gave in the other process cannot be sent back: {error}. It was {outcome[1]!r:.200}"
        return dumps(("error", SerializationError(text), outcome[2] if outcome[0] == "error" else ""))


def dumps(value: Any) -> bytes:
    """Return a value as bytes, functions and classes of scripts by value."""
    import cloudpickle

    pickled: Any = cloudpickle
    return pickled.dumps(value)


def _blocking(fn: Callable[..., Any]) -> Callable[..., Any]:
    @door
    def run(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(fn(*args, **kwargs))

    return run
