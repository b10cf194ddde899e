"""Submitted calls: each becomes a future, is parked until its inputs are there, and then given to a runner."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, cast

from dalsegno._engine.beginning import begin_early
from dalsegno._engine.drivers import Countdown
from dalsegno._engine.futures import Future, RunFuture
from dalsegno._engine.runs import CANCELLED, CRASHED, now
from dalsegno._engine.states import crash_message
from dalsegno._engine.steps import Life
from dalsegno._engine.waiting import pending, upstreams
from dalsegno.exceptions import RunCancelled

if TYPE_CHECKING:
    from dalsegno._engine.session import Session
    from dalsegno._engine.task_life import TaskExecution

AtEnd = Callable[[BaseException | None], None]


class Launcher(Protocol):
    """What a runner does for the engine: live a life somewhere, and say when it ended."""

    def launch(self, life: Life, context: Context, at_end: AtEnd, *, is_async: bool) -> None: ...
    def close(self) -> None: ...


class Runner(Protocol):
    """A task runner, as a user configures it."""

    def open(self) -> Launcher: ...


class Submissions:
    """What was submitted in one body and those below it that share its runner."""

    def __init__(self, session: Session, runner: Any) -> None:
        self.session = session
        self.runner = runner
        self.open_futures: set[RunFuture[Any]] = set()
        self.closed = False
        self._opening = threading.Lock()
        self._launcher: Launcher | None = None
        self._flows: Launcher | None = None
        self._own: dict[int, Launcher] = {}
        _all.add(self)

    def submit(self, x: TaskExecution, life: Life) -> Future[Any]:
        """Submit a call of a task."""
        found = upstreams(x)
        future: Future[Any] = Future(x.run)
        if begin_early(x, found):
            future.set_done()
            return future
        self.start(future, life, self._launcher_of(x.task), found, is_async=x.task.is_async)
        if x.flow_scope is None or x.flow_scope.replay is None:
            x.run.touch()
        return future

    def start(
        self, future: RunFuture[Any], life: Life, launcher: Launcher, found: list[Any], *, is_async: bool
    ) -> None:
        """Launch a life once the inputs that were found are there; its end is the future's."""
        self.open_futures.add(future)
        future.add_done_callback(self.open_futures.discard)
        context = copy_context()

        def at_end(error: BaseException | None) -> None:
            if error is not None:
                _record_crash(future, error)
            future.set_done()

        def launch() -> None:
            try:
                launcher.launch(life, context, at_end, is_async=is_async)
            except Exception as error:
                at_end(error)  # no thread or process for it: whoever waits for it must hear of it

        waiting = pending(found)
        if waiting:
            Countdown(len(waiting), launch).watch(waiting)
        else:
            launch()

    def launcher(self) -> Launcher:
        """Return the launcher of the flow's own runner."""
        with self._opening:
            if self._launcher is None:
                self._launcher = cast("Launcher", self.runner.open())
            return self._launcher

    def flow_launcher(self, make: Callable[..., Launcher]) -> Launcher:
        """Return the launcher of nested flows: threads, whatever the runner of tasks is."""
        with self._opening:
            if self._flows is None:
                most = self.session.settings.tasks.runner.thread_pool_max_workers
                self._flows = make(most, bound_coroutines=False)
            return self._flows

    def _launcher_of(self, task: Any) -> Launcher:
        if task.task_runner is None:
            return self.launcher()
        key = id(task.task_runner)
        with self._opening:
            if key not in self._own:
                self._own[key] = task.task_runner.open()
            return self._own[key]

    def abandon(self, error: BaseException) -> None:
        """The body was broken off: do not wait for what it submitted; what has not ended is recorded as it is."""
        for future in list(self.open_futures):
            _record_crash(future, error)
            future.run.refused = True

    def close(self) -> None:
        """Let go of the runners; nothing is submitted any more."""
        self.closed = True
        for launcher in (self._launcher, self._flows, *self._own.values()):
            if launcher is not None:
                launcher.close()
        self._launcher = self._flows = None
        self._own.clear()

    def start_anew(self) -> None:
        """Forget the parent's threads, and what runs on them, in a process that user code forked."""
        self._launcher = self._flows = None
        self._own.clear()
        for future in self.open_futures:
            future.leave_to_parent()
        self.open_futures = set()


_all: weakref.WeakSet[Submissions] = weakref.WeakSet()


def _after_fork() -> None:
    for submissions in list(_all):
        submissions.start_anew()


os.register_at_fork(after_in_child=_after_fork)


def _record_crash(future: RunFuture[Any], error: BaseException) -> None:
    """A life ended by an error of its own: the run says so, rather than hang."""
    run = future.run
    if not run.ended:
        run.end_time_us = now()
        run.value = error
        cancelled = isinstance(error, RunCancelled) or run.session.stop is RunCancelled
        error = run.session.cause_of(error)
        code, message = (CANCELLED, "The run was cancelled.") if cancelled else (CRASHED, crash_message(error))
        run.history.append((code, run.end_time_us, None, message))
        run.touch()
