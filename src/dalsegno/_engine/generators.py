"""Generator functions: called directly they stream, and are recorded without their values; submitted, they are
drained into a list. On replay they run again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any

from dalsegno._engine import drivers
from dalsegno._engine.breaking import door
from dalsegno._engine.flow_life import FlowExecution, flow_life
from dalsegno._engine.states import MISSING
from dalsegno._engine.steps import Call, Life
from dalsegno._engine.task_life import TaskExecution, alone, task_life

if TYPE_CHECKING:
    from dalsegno._engine.runs import Run


def stream_task(x: TaskExecution, return_state: bool) -> Any:
    """Return a generator, sync or async as the function, that runs the task as it is consumed."""
    x.persist = False
    life = task_life(x) if x.parent is not None else alone(x, task_life(x))
    return _stream(life, x.run, x.task.is_async, x.task.name, return_state)


def stream_flow(x: FlowExecution, return_state: bool) -> Any:
    """Return a generator, sync or async as the function, that runs the flow as it is consumed."""
    return _stream(flow_life(x), x.run, x.flow.is_async, x.flow.name, return_state)


def drained(life: Life, is_async: bool) -> Life:
    """Return the life of a submitted generator function: its body is drained, and the list is its result."""
    return _with_body(life, _drain_async if is_async else _drain)


def _with_body(life: Life, body: Callable[..., Any]) -> Life:
    """Live a life in which bodies are called by `body(fn, args, kwargs)`."""
    reply: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = life.throw(error) if error is not None else life.send(reply)
        except StopIteration:
            return
        if isinstance(step, Call):
            step = Call(
                body,
                (step.fn, step.args, step.kwargs),
                {},
                step.scope,
                step.timeout,
                step.log_prints,
                step.timeout_error,
            )
        reply = error = None
        try:
            reply = yield step
        except BaseException as problem:
            error = problem


@door
def _drain(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return list(fn(*args, **kwargs))


async def _drain_async(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [item async for item in fn(*args, **kwargs)]


def _stream(life: Life, run: Run, is_async: bool, name: str, return_state: bool) -> Any:
    stream = _stream_async if is_async else _stream_sync
    return stream(life, run, name, return_state)


def _refuse_state(name: str, return_state: bool) -> None:
    if return_state:
        raise ValueError(f"return_state=True cannot be used with {name!r}: it is a generator, and streams its values.")


def _stream_sync(life: Life, run: Run, name: str, return_state: bool) -> Generator[Any, Any, Any]:
    """Live a life whose body is a generator: what the body yields, this yields."""
    _refuse_state(name, return_state)
    reply: Any = None
    error: BaseException | None = None
    value: Any = None
    while True:
        try:
            step = life.throw(error) if error is not None else life.send(reply)
        except StopIteration:
            break
        reply = error = None
        try:
            if isinstance(step, Call):
                value = yield from _iterate(step)
                reply = value
            else:
                reply = drivers.perform(step)
        except GeneratorExit:
            _close(life)
            raise
        except BaseException as problem:
            error = problem
    _raise_failure(run)
    return value


def _iterate(step: Call) -> Generator[Any, Any, Any]:
    """Iterate a body's generator; its code runs in its scope, the consumer's does not."""
    body = step.fn(*step.args, **step.kwargs)
    go_on, given = body.send, None
    left = step.timeout
    while True:
        begun = time.monotonic()
        try:
            item = drivers.call(_part(step, left, go_on, given))
        except StopIteration as stop:
            return stop.value
        left = _less(left, begun)
        try:
            go_on, given = body.send, (yield item)
        except GeneratorExit:
            drivers.call(_part(step, None, body.close))
            raise
        except BaseException as error:
            go_on, given = body.throw, error


async def _stream_async(life: Life, run: Run, name: str, return_state: bool) -> AsyncIterator[Any]:
    _refuse_state(name, return_state)
    reply: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = life.throw(error) if error is not None else life.send(reply)
        except StopIteration:
            break
        reply = error = None
        try:
            if isinstance(step, Call):
                body = step.fn(*step.args, **step.kwargs)
                left = step.timeout
                while True:
                    begun = time.monotonic()
                    try:
                        item = await drivers.perform_async(_part(step, left, anext, body))
                    except StopAsyncIteration:
                        break
                    left = _less(left, begun)
                    try:
                        yield item
                    except GeneratorExit:
                        await drivers.perform_async(_part(step, None, body.aclose))
                        raise
            else:
                reply = await drivers.perform_async(step)
        except GeneratorExit:
            _close(life)
            raise
        except BaseException as problem:
            error = problem
    _raise_failure(run)


def _part(step: Call, left: float | None, fn: Callable[..., Any], *args: Any) -> Call:
    """Return the call of one stretch of a body, up to its next yield; `left` is what is left of its time."""
    return Call(fn, args, {}, step.scope, left, step.log_prints, lambda _: step.timeout_error(step.timeout or 0.0))


def _less(left: float | None, begun: float) -> float | None:
    """Return what is left of a body's time: the consumer's does not count."""
    return None if left is None else max(left - (time.monotonic() - begun), 1e-6)


def _close(life: Life) -> None:
    """The consumer has had enough: the run is completed, with what it gave so far."""
    try:
        step = life.send(None)
        while True:
            step = life.send(drivers.perform(step))
    except StopIteration:
        pass


def _raise_failure(run: Run) -> None:
    from dalsegno._engine.calling import outcome

    if run.value is not MISSING or run.history[-1][0] != 6:
        outcome(run, False)
