"""Performs the steps of a life: once for code that blocks, once for coroutines, once for workers of a pool."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import Any

from dalsegno._engine import clock, logs, timeouts
from dalsegno._engine.breaking import door
from dalsegno._engine.context import enter_scope, leave_scope, scope_of
from dalsegno._engine.pool import ThreadPool
from dalsegno._engine.steps import Block, Call, Invoke, Life, Sleep, Step, WaitFor
from dalsegno._engine.timers import call_later

_LONG = 0.01  # seconds from which on a worker rather gives its thread back than sleeps


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
    with scope_of(step.scope), logs.prints(step.log_prints), timeouts.limit(step.timeout, step.timeout_error):
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
        return await timeouts.limit_async(step.fn(*step.args, **step.kwargs), step.timeout, step.timeout_error)


class PooledDrive:
    """Lives a life on the workers of a pool; holds none of them while it sleeps or waits.

    A body that overruns its time and cannot be stopped is left to its thread, and the life goes on without it.
    """

    def __init__(
        self,
        life: Life,
        pool: ThreadPool,
        context: Context,
        at_end: Callable[[BaseException | None], None],
        call_elsewhere: Callable[[Call], Any] | None = None,
    ) -> None:
        self._call = call_elsewhere or call
        self._elsewhere = call_elsewhere is not None
        self._life = life
        self._pool = pool
        self._context = context
        self._at_end = at_end

    def start(self) -> None:
        """Queue it."""
        self._pool.put(self._begin)

    def _begin(self) -> None:
        self._advance(lambda: self._life.send(None))

    def _advance(self, go_on: Callable[[], Step]) -> None:
        """Go on until the life ends, or until it waits for something that needs no worker."""
        try:
            step = self._context.run(go_on)
            while True:
                if isinstance(step, Sleep) and self._goes_on_after(step.seconds):
                    return
                if isinstance(step, WaitFor) and self._park(step):
                    return
                step = self._answer(step)
                if step is None:
                    return
        except StopIteration:
            self._at_end(None)
        except BaseException as error:
            self._at_end(error)

    def _goes_on_after(self, seconds: float) -> bool:
        """Have the life go on later, without a worker. False: it is to sleep here."""
        if seconds <= _LONG or clock.is_fake():
            return False
        try:
            call_later(seconds, lambda: self._pool.put(self._begin))
        except RuntimeError:  # no thread for timers
            return False
        return True

    def _park(self, step: WaitFor) -> bool:
        waiting = [future for future in step.futures if not future.done]
        if not waiting:
            return False
        Countdown(len(waiting), lambda: self._pool.put(self._begin)).watch(waiting)
        return True

    def _answer(self, step: Step) -> Step | None:
        """Perform a step and give the next one; None if another thread has gone on meanwhile."""
        if isinstance(step, Call) and step.timeout is not None and not self._elsewhere:
            return self._call_in_time(step)
        try:
            reply = self._context.run(self._call if isinstance(step, Call) else perform, step)  # pyright: ignore
        except BaseException as error:
            problem = error
            return self._context.run(lambda: self._life.throw(problem))
        return self._context.run(lambda: self._life.send(reply))

    def _call_in_time(self, step: Call) -> Step | None:
        turn = timeouts.Turn()

        def abandon(error: BaseException) -> None:
            logs.write(
                step.scope.task_run or step.scope.flow_run,
                logging.WARNING,
                "It runs past its timeout and cannot be stopped: its thread goes on until the body returns.",
            )
            self._pool.leave()
            self._pool.put(lambda: self._advance(lambda: self._life.throw(error)))

        # The body runs in a copy of the context: a thread that is left behind must not stand in ours.
        context = self._context.copy()
        go_on: Callable[[], Step]
        try:
            reply = context.run(timeouts.call_in_thread, step, self._call, turn, abandon)
            go_on = lambda: self._life.send(reply)  # noqa: E731
        except BaseException as error:
            problem = error
            go_on = lambda: self._life.throw(problem)  # noqa: E731
        if not turn.claim():
            self._pool.take()
            return None
        return self._context.run(go_on)


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
