"""Lives lives on the workers of a thread pool: one by one, or several as one unit (a chunk)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from typing import Any, Protocol

from dalsegno._engine import clock, logs, timeouts
from dalsegno._engine.drivers import Countdown, call, perform
from dalsegno._engine.pool import ThreadPool
from dalsegno._engine.steps import Call, Life, Sleep, Step, WaitFor
from dalsegno._engine.stopping import Body
from dalsegno._engine.timers import call_later
from dalsegno.exceptions import RunCancelled

_LONG = 0.01  # seconds from which on a worker rather gives its thread back than sleeps

AtEnd = Callable[[BaseException | None], None]

Outcome = tuple[Any, BaseException | None]
"""What a body gave, or what it raised."""


class Elsewhere(Protocol):
    """Where bodies run that do not run in the thread of their life."""

    def outcomes(self, steps: Sequence[Call]) -> Iterator[Outcome]:
        """Call bodies, sent as one; give the outcome of each, in order, as it is known."""
        ...

    def stop(self, step: Call, error: BaseException) -> bool:
        """Break off a body; False if it does not run."""
        ...


class PooledDrive:
    """Lives a life on the workers of a pool; holds none of them while it sleeps or waits.

    A body that overruns its time and cannot be stopped is left to its thread, and the life goes on without it.
    """

    def __init__(
        self, life: Life, pool: ThreadPool, context: Context, at_end: AtEnd, elsewhere: Elsewhere | None = None
    ) -> None:
        self._life = life
        self._pool = pool
        self._context = context
        self._at_end = at_end
        self._elsewhere = elsewhere
        self._body: Body | None = None
        self._step: Call | None = None
        self.chunk: Chunk | None = None

    def start(self) -> None:
        """Queue it."""
        self._pool.put(self.begin)

    def begin(self) -> None:
        """Go on with what is next, in this thread."""
        self._advance(self._next)

    def begin_up_to_call(self) -> Call | None:
        """Go on up to the call of a body elsewhere, and return that; None if there is none before it ends or waits."""
        return self._advance(self._next, hold_call=True)

    def answered(self, outcome: Outcome) -> None:
        """Go on with the outcome of the call that was held."""
        self._step = None
        value, error = outcome
        self._advance(lambda: self._life.send(value) if error is None else self._life.throw(error))

    # --- being stopped

    def stop(self, error: BaseException) -> bool:
        """Break off the body; False if none runs. In this process that is done where the run is cancelled only."""
        if self._elsewhere is not None:
            step = self._step
            return step is not None and self._elsewhere.stop(step, error)
        body = self._body
        return body is not None and isinstance(error, RunCancelled) and body.stop()

    def leave_behind(self) -> None:
        """Let others have the place of a body that was told to stop and does not."""
        body = self._body
        if body is not None and body.leave_behind(self._pool.take):
            self._left()

    def _left(self) -> None:
        self._pool.leave()
        if self.chunk is not None:
            self._pool.put(self.chunk.go_on)

    # --- living

    def _next(self) -> Step:
        return self._life.send(None)

    def _advance(self, go_on: Callable[[], Step], hold_call: bool = False) -> Call | None:
        """Go on until the life ends, or until it waits for something that needs no worker."""
        try:
            step = self._context.run(go_on)
            while True:
                if isinstance(step, Sleep) and self._goes_on_after(step.seconds):
                    return None
                if isinstance(step, WaitFor) and self._park(step):
                    return None
                if hold_call and isinstance(step, Call):
                    self._step = step
                    return step
                step = self._answer(step)
                if step is None:
                    return None
        except StopIteration:
            self._at_end(None)
        except BaseException as error:
            self._at_end(error)
        return None

    def _goes_on_after(self, seconds: float) -> bool:
        """Have the life go on later, without a worker. False: it is to sleep here."""
        if seconds <= _LONG or clock.is_fake():
            return False
        try:
            call_later(seconds, self.start)
        except RuntimeError:  # no thread for timers
            return False
        return True

    def _park(self, step: WaitFor) -> bool:
        waiting = [future for future in step.futures if not future.done]
        if not waiting:
            return False
        Countdown(len(waiting), self.start).watch(waiting)
        return True

    def _answer(self, step: Step) -> Step | None:
        """Perform a step and give the next one; None if another thread has gone on meanwhile."""
        if isinstance(step, Call) and step.timeout is not None and self._elsewhere is None:
            return self._call_in_time(step)
        try:
            reply = self._context.run(self._call if isinstance(step, Call) else perform, step)  # pyright: ignore
        except BaseException as error:
            problem = error
            return self._context.run(lambda: self._life.throw(problem))
        return self._context.run(lambda: self._life.send(reply))

    def _call(self, step: Call) -> Any:
        if self._elsewhere is None:
            body = self._body = Body()
            return body.run(call, step)
        self._step = step
        try:
            (outcome,) = self._elsewhere.outcomes([step])
        finally:
            self._step = None
        value, error = outcome
        if error is not None:
            raise error
        return value

    def _call_in_time(self, step: Call) -> Step | None:
        turn = timeouts.Turn()

        def abandon(error: BaseException) -> None:
            logs.write(
                step.scope.task_run or step.scope.flow_run,
                logging.WARNING,
                "It runs past its timeout and cannot be stopped: its thread goes on until the body returns.",
            )
            self._left()
            self._pool.put(lambda: self.answered((None, error)))

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


class Chunk:
    """Several lives that are queued as one unit: their bodies run one after another, in one thread or process."""

    def __init__(self, drives: Sequence[PooledDrive], pool: ThreadPool, elsewhere: Elsewhere | None = None) -> None:
        self._drives = deque(drives)
        self._pool = pool
        self._elsewhere = elsewhere
        for drive in drives:
            drive.chunk = self

    def start(self) -> None:
        """Queue it."""
        self._pool.put(self.go_on if self._elsewhere is None else self._send)

    def go_on(self) -> None:
        """Begin those that have not begun, here; several threads may, where a body was left behind in one."""
        while True:
            try:
                drive = self._drives.popleft()
            except IndexError:
                return
            drive.begin()

    def _send(self) -> None:
        assert self._elsewhere is not None
        held = [(drive, step) for drive in self._drives if (step := drive.begin_up_to_call()) is not None]
        if held:
            outcomes = self._elsewhere.outcomes([step for _, step in held])
            for (drive, _), outcome in zip(held, outcomes, strict=True):
                drive.answered(outcome)
