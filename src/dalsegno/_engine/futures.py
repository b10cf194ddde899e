"""Futures of task runs and flow runs: handles on what was submitted, which know when it is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from dalsegno._engine import blocking
from dalsegno._engine.breaking import waits
from dalsegno._engine.runs import CRASHED, Run, TaskRun, now
from dalsegno._engine.states import State, state_result
from dalsegno.exceptions import CrashedRun

if TYPE_CHECKING:
    from dalsegno._engine.session import Session

R = TypeVar("R", covariant=True)
T = TypeVar("T")

_lock = threading.Lock()


class RunFuture(Generic[R]):
    """What futures of tasks and of flows share. `run` is the engine's record of the run."""

    __slots__ = ("run", "_done", "_callbacks", "_loaded", "__weakref__")

    def __init__(self, run: Run) -> None:
        self.run = run
        self._done = False
        self._callbacks: list[Callable[[Any], None]] | None = None

    @property
    def state(self) -> State[R]:
        """The state of the run as it is now: Pending or Running before the end."""
        return self.run.state

    @property
    def done(self) -> bool:
        return self._done

    @property
    def execution_id(self) -> bytes:
        return self.run.execution_id

    @waits
    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, at most `timeout` seconds; does not raise when time is up."""
        if self._done:
            return
        event = threading.Event()

        def tell(_: Any) -> None:
            event.set()

        self.add_done_callback(tell)
        session = self.run.session
        with blocking.released(), session.woken(event.set):
            woken = event.wait(timeout)
        if not self._done:
            self._remove_callback(tell)
            if woken:
                session.check()

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait for the run and return what it gave, or raise what it failed with.

        Raises:
            TimeoutError: it has not ended within `timeout` seconds; it runs on.
            UnfinishedRun: it could not start (NotReady).
        """
        if not self._done:
            self.wait(timeout)
            if not self._done:
                raise TimeoutError(f"{self!r} did not end within {timeout} second(s); it runs on.")
        return state_result(self.run.state, raise_on_failure)

    async def wait_async(self, timeout: float | None = None) -> None:
        """Wait as `wait` does, without blocking the loop."""
        if self._done:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def tell(_: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop that waited has ended
                loop.call_soon_threadsafe(wake)

        self.add_done_callback(tell)
        try:
            with blocking.released():
                await asyncio.wait([waiter], timeout=timeout)
        finally:
            self._remove_callback(tell)

    async def result_async(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait and return as `result` does, without blocking the loop."""
        await self.wait_async(timeout)
        if not self._done:
            raise TimeoutError(f"{self!r} did not end within {timeout} second(s); it runs on.")
        return state_result(self.run.state, raise_on_failure)

    def __await__(self) -> Generator[Any, None, R]:
        return self.result_async().__await__()

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        """Call ``fn(future)`` when the run has ended; at once if it has."""
        with _lock:
            if not self._done:
                if self._callbacks is None:
                    self._callbacks = [fn]
                else:
                    self._callbacks.append(fn)
                return
        fn(self)

    def set_done(self) -> None:
        """The run has ended (the engine says so, once)."""
        with _lock:
            self._done = True
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except Exception:
                # The others wait for this future too, and the thread is a worker's.
                logging.getLogger("dalsegno").exception("A callback of %r failed", self)

    def _remove_callback(self, fn: Callable[[Any], None]) -> None:
        """Forget a callback of somebody who has stopped waiting."""
        with _lock:
            if self._callbacks is not None and fn in self._callbacks:
                self._callbacks.remove(fn)

    def leave_to_parent(self) -> None:
        """In a child that user code forked: the run goes on in the parent, so nothing of it will be heard here.

        Callbacks are the parent's and are not called; nothing is recorded.
        """
        message = "It runs in the process that this one was forked from: its result is to be had there only."
        self.run.value = CrashedRun(message)
        self.run.history.append((CRASHED, now(), None, message))
        self._done = True
        self._callbacks = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.run.name!r}>"


class Future(RunFuture[R]):
    """The future of a task run.

    Example:
        >>> future = clean.submit(orders)
        >>> future.result()
    """

    __slots__ = ()

    @property
    def task_run_id(self) -> uuid.UUID:
        """Id of the task run. (When a run picks up where it left off it is known for sure once the inputs are.)"""
        return self.run.id

    @property
    def task_run(self) -> TaskRun:
        assert isinstance(self.run, TaskRun)
        return self.run


class FlowRunFuture(RunFuture[R]):
    """The future of a nested flow run that was submitted."""

    __slots__ = ("flow_run_id_bytes",)

    def __init__(self, run: Run, flow_run_id: bytes) -> None:
        super().__init__(run)
        self.flow_run_id_bytes = flow_run_id

    @property
    def flow_run_id(self) -> uuid.UUID:
        # What an earlier attempt began goes on under its own id.
        child = self.run.child_flow_run_id if isinstance(self.run, TaskRun) else None
        return uuid.UUID(bytes=child or self.flow_run_id_bytes)

    @property
    def task_run_id(self) -> uuid.UUID:
        """Id of the task run that stands for the flow run in its parent."""
        return self.run.id

    async def aresult(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Wait and return as `result` does, without blocking the loop."""
        return await self.result_async(timeout, raise_on_failure)


class FutureList(list[RunFuture[T]]):
    """The futures of a `map`, in the order of its children."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, at most `timeout` seconds in total."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[T]:
        """Return all results in order; raise the first failure, or put exceptions in their places.

        Raises TimeoutError when `timeout` seconds in total are up.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        return [
            future.result(None if deadline is None else max(0.0, deadline - time.monotonic()), raise_on_failure)
            for future in self
        ]


class DoneAndNotDoneFutures(NamedTuple):
    """What `wait` gives."""

    done: set[Any]
    not_done: set[Any]


def wait(futures: Iterable[RunFuture[Any]], timeout: float | None = None) -> DoneAndNotDoneFutures:
    """Wait for futures, at most `timeout` seconds, and tell which are done and which are not.

    Example:
        >>> done, not_done = wait(clean.map(days), timeout=10)
    """
    wanted = set(futures)
    try:
        done = set(as_completed(wanted, timeout))
    except TimeoutError:
        done = {future for future in wanted if future.done}
    return DoneAndNotDoneFutures(done, wanted - done)


@waits
def as_completed(futures: Iterable[RunFuture[Any]], timeout: float | None = None) -> Iterator[Any]:
    """Yield futures as their runs end. Raises TimeoutError when `timeout` seconds in total are up.

    Raises ValueError if `timeout` is negative.
    """
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout must not be negative, got {timeout}.")
    wanted = set(futures)
    deadline = None if timeout is None else time.monotonic() + timeout
    arrived: SimpleQueue[RunFuture[Any] | None] = SimpleQueue()
    for future in wanted:
        future.add_done_callback(arrived.put)
    # What is only drawn belongs to none.
    sessions = {future.run.session for future in wanted} - {None}
    left = len(wanted)
    while left:
        try:
            future = arrived.get_nowait()
        except Empty:
            try:
                with blocking.released(), _woken(sessions, lambda: arrived.put(None)):
                    future = arrived.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except Empty:
                raise TimeoutError(f"{left} (of {len(wanted)}) futures unfinished") from None
        if future is None:
            for session in sessions:
                session.check()
        else:
            left -= 1
            yield future


@contextlib.contextmanager
def _woken(sessions: Iterable[Session], wake: Callable[[], None]) -> Generator[None]:
    with contextlib.ExitStack() as stack:
        for session in sessions:
            stack.enter_context(session.woken(wake))
        yield


def is_input(value: Any) -> bool:
    """Tell whether a value stands for the result of another run."""
    return isinstance(value, (RunFuture, State))


def _forget() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)
