"""Performs the steps of a life: once for code that blocks, once for coroutines. For workers of a pool see `pooled`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

from dalsegno._engine import clock, logs, timeouts
from dalsegno._engine.breaking import door
from dalsegno._engine.context import enter_scope, leave_scope, scope_of
from dalsegno._engine.steps import Block, Call, Invoke, Life, Sleep, Step, WaitFor

T = TypeVar("T")


def drive(life: Life) -> None:
    """Live a life in this thread."""
    send = life.send
    try:
        step = send(None)
        while True:
            try:
                reply = call(step) if step.__class__ is Call else perform(step)  # pyright: ignore[reportArgumentType]
            except BaseException as error:
                step = life.throw(error)
            else:
                step = send(reply)
    except StopIteration:
        return
    except BaseException as error:
        if getattr(life, "gi_frame", None) is None:  # it has ended, with this
            raise
        broken_off = error
    _drive_on(life, broken_off)


def _drive_on(life: Life, error: BaseException) -> None:
    """Go on with a life that waits for an answer, after a signal that came between two of its steps."""
    try:
        step = life.throw(error)
        while True:
            try:
                reply = perform(step)
            except BaseException as problem:
                step = life.throw(problem)
            else:
                step = life.send(reply)
    except StopIteration:
        pass


@door
def call(step: Call) -> Any:
    """Call a sync body in its scope."""
    if step.timeout is not None or step.log_prints:
        return _call_with_care(step)
    token = enter_scope(step.scope)
    try:
        return step.fn(*step.args, **step.kwargs)
    finally:
        leave_scope(token)


@door
def _call_with_care(step: Call) -> Any:
    with (
        scope_of(step.scope),
        logs.prints(step.log_prints),
        timeouts.limit(step.timeout, step.timeout_error) as step.scope.time_limit,
    ):
        return step.fn(*step.args, **step.kwargs)


@door
def perform(step: Step) -> Any:
    """Perform a step other than Call, blocking."""
    match step:
        case Invoke():
            with scope_of(step.scope):
                result = step.fn(*step.args)
                return run_awaitable(result) if inspect.isawaitable(result) else result
        case Sleep():
            step.session.sleep(step.seconds)
        case WaitFor():
            for future in step.futures:
                future.wait()
        case Block():
            return step.fn()
        case Call():
            return call(step)
    return None


@door
def run_awaitable(awaitable: Any) -> Any:
    """Run an awaitable (an async hook of a sync run) to its end, on a loop of its own."""

    @door
    async def wait() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    # This thread's loop is running: another thread has room for one.
    context = copy_context()
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(context.run(asyncio.run, wait()))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="dalsegno-hook").start()
    return done.result()


def driven(life: Generator[Step, Any, T]) -> T:
    """Live a life in this thread, and return what it returns."""
    found: list[T] = []
    drive(_noted(life, found))
    return found[0]


async def driven_async(life: Generator[Step, Any, T]) -> T:
    """Live a life in a coroutine, and return what it returns."""
    found: list[T] = []
    await drive_async(_noted(life, found))
    return found[0]


def _noted(life: Generator[Step, Any, T], found: list[T]) -> Life:
    found.append((yield from life))


async def drive_async(life: Life) -> None:
    """Live a life in a coroutine."""
    try:
        step = life.send(None)
        while True:
            try:
                reply = await perform_async(step)
            except BaseException as error:
                step = life.throw(error)
            else:
                step = life.send(reply)
    except StopIteration:
        pass


async def perform_async(step: Step) -> Any:
    match step:
        case Call():
            return await _call_async(step)
        case Invoke():
            with scope_of(step.scope):
                result = step.fn(*step.args)
                return await result if inspect.isawaitable(result) else result
        case Sleep():
            await clock.sleep_async(step.seconds)
        case WaitFor():
            for future in step.futures:
                await future.wait_async()
        case Block():
            return await asyncio.to_thread(step.fn)
    return None


async def _call_async(step: Call) -> Any:
    if step.timeout is None and not step.log_prints:
        token = enter_scope(step.scope)
        try:
            return await step.fn(*step.args, **step.kwargs)
        finally:
            leave_scope(token)
    with scope_of(step.scope), logs.prints(step.log_prints):
        return await timeouts.limit_async(
            step.fn(*step.args, **step.kwargs),
            step.timeout,
            step.timeout_error,
            lambda limit: setattr(step.scope, "time_limit", limit),
        )


class Countdown:
    """Calls a function when the last of several futures is done."""

    __slots__ = ("_left", "_then", "_lock")

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._left = count
        self._then = then
        self._lock = threading.Lock()

    def watch(self, futures: list[Any]) -> None:
        """Count these futures, as many as were announced."""
        for future in futures:
            future.add_done_callback(self._count)

    def _count(self, _: Any) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._then()
