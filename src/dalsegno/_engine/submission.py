"""Submitted calls: each becomes a future, is parked until its inputs are there, and then given to a runner."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, cast

from dalsegno._engine.beginning import begin_early
from dalsegno._engine.drivers import Countdown
from dalsegno._engine.futures import Future, RunFuture
from dalsegno._engine.runs import CANCELLED, CRASHED, now
from dalsegno._engine.states import MISSING, crash_message
from dalsegno._engine.steps import Life
from dalsegno._engine.stopping import GRACE
from dalsegno._engine.timers import call_later
from dalsegno._engine.waiting import pending, upstreams
from dalsegno.exceptions import RunCancelled

if TYPE_CHECKING:
    from dalsegno._engine.session import Session
    from dalsegno._engine.task_life import TaskExecution

AtEnd = Callable[[BaseException | None], None]


class Handle(Protocol):
    """A life that a runner was given, for those who want to break it off."""

    def stop(self, error: BaseException) -> bool:
        """Have the body that runs end with an error (RunCancelled, mostly); False if no body runs."""
        ...

    def leave_behind(self) -> None:
        """It was told to stop and did not: give its place to others."""
        ...


class Submitted:
    """A submitted call, from its submission to its end."""

    __slots__ = ("future", "life", "context", "launcher", "handle")

    def __init__(self, future: RunFuture[Any], life: Life, launcher: Launcher) -> None:
        self.future = future
        self.life = life
        self.context = copy_context()
        self.launcher = launcher
        self.handle: Handle | None = None
        """None until it is launched."""

    def at_end(self, error: BaseException | None) -> None:
        """The life has ended, by an error of its own or as it should."""
        if error is not None:
            _record_crash(self.future, error)
        self.future.set_done()

    def stop(self, error: BaseException) -> bool:
        """Break off its body; False if none runs."""
        return self.handle is not None and self.handle.stop(error)

    def give_up(self, error: BaseException) -> None:
        """Bring its run to its end here and now; what its life still does is not recorded."""
        _record_crash(self.future, error)
        self.future.run.touch()  # its own thread may just have noted its end, and could not record it any more
        self.future.run.refused = True


class Launcher(Protocol):
    """What a runner does for the engine: live a life somewhere, and say when it ended."""

    def launch(self, life: Life, context: Context, at_end: AtEnd, *, is_async: bool) -> Handle: ...

    def launch_chunk(self, submitted: Sequence[Submitted], *, is_async: bool) -> None:
        """Launch several as one unit, one after another, and give each its handle."""
        ...

    def close(self) -> None:
        """Let go of what lives lives, once that is done; what was stopped has ended when this returns, if it can."""
        ...


class Runner(Protocol):
    """A task runner, as a user configures it."""

    def open(self) -> Launcher: ...


class Submissions:
    """What was submitted in one body and those below it that share its runner."""

    def __init__(self, session: Session, runner: Any) -> None:
        self.session = session
        self.runner = runner
        self.open_futures: dict[RunFuture[Any], Submitted] = {}
        self.closed = False
        self._opening = threading.Lock()
        self._launcher: Launcher | None = None
        self._flows: Launcher | None = None
        self._own: dict[int, tuple[Any, Launcher]] = {}
        with _all_lock:
            _all.add(self)

    def submit_chunk(self, calls: Sequence[tuple[TaskExecution, Life]]) -> list[Future[Any]]:
        """Submit calls of one task as one unit: it is launched when the inputs of all of them are there."""
        futures: list[Future[Any]] = []
        units: list[Submitted] = []
        found: list[Any] = []
        launcher = None
        for x, life in calls:
            needs = upstreams(x)
            future: Future[Any] = Future(x.run)
            futures.append(future)
            if begin_early(x, needs):
                future.set_done()
                continue
            if launcher is None:
                launcher = self._launcher_of(x.task)
            if needs:
                found += needs
            units.append(self._open(future, life, launcher))
        if launcher is not None:
            x = calls[0][0]
            self._launch(units, launcher, found, is_async=x.task.is_async)
            if x.flow_scope is None or x.flow_scope.replay is None:
                for future in futures:
                    future.run.touch()
        return futures

    def start(
        self, future: RunFuture[Any], life: Life, launcher: Launcher, found: list[Any], *, is_async: bool
    ) -> None:
        """Launch a life once the inputs that were found are there; its end is the future's."""
        self._launch([self._open(future, life, launcher)], launcher, found, is_async=is_async)

    def _open(self, future: RunFuture[Any], life: Life, launcher: Launcher) -> Submitted:
        submitted = self.open_futures[future] = Submitted(future, life, launcher)
        future.add_done_callback(self._forget)
        return submitted

    def _forget(self, future: RunFuture[Any]) -> None:
        self.open_futures.pop(future, None)

    def _launch(self, units: list[Submitted], launcher: Launcher, found: list[Any], *, is_async: bool) -> None:
        def launch() -> None:
            try:
                _hand_over(units, launcher, is_async=is_async)
            except Exception as error:
                for one in units:
                    if one.handle is None:
                        one.at_end(error)  # no thread or process for it: whoever waits for it must hear of it

        waiting = pending(found) if found else None
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
                # The runner is kept too, so that no other gets its id meanwhile.
                self._own[key] = task.task_runner, task.task_runner.open()
            return self._own[key][1]

    def abandon(self, error: BaseException) -> None:
        """The body was broken off: do not wait for what it submitted; what has not ended is recorded as it is."""
        left = list(self.open_futures.values())
        for submitted in left:
            submitted.give_up(error)
        for submitted in left:
            submitted.stop(error)

    def cancel(self, runner: Any) -> None:
        """Cancel what was given to this runner: what does not run yet at once, what runs as soon as it reacts."""
        launchers = self._launchers_of(runner)
        error = RunCancelled("The run was cancelled.")
        told: list[Submitted] = []
        for submitted in list(self.open_futures.values()):
            if submitted.launcher not in launchers:
                continue
            submitted.future.run.told_to_stop = True
            if submitted.stop(error):
                told.append(submitted)
            else:
                submitted.give_up(error)
                submitted.future.set_done()
        if told:
            try:
                call_later(GRACE, lambda: _leave_behind(told, error))
            except RuntimeError:  # no thread for timers
                _leave_behind(told, error)

    def _launchers_of(self, runner: Any) -> list[Launcher]:
        with self._opening:
            own = [(one, launcher) for one, launcher in self._own.values()]
            pairs = [(self.runner, self._launcher), *own]
        # A runner that is used by itself (`with runner:`) lends what it opened.
        return [one for it, one in pairs if one is not None and (it is runner or getattr(it, "lender", None) is runner)]

    def close(self) -> None:
        """Let go of the runners; nothing is submitted any more."""
        self.closed = True
        for launcher in (self._launcher, self._flows, *(launcher for _, launcher in self._own.values())):
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
        self.open_futures = {}


_all: weakref.WeakSet[Submissions] = weakref.WeakSet()
_all_lock = threading.Lock()


def cancel_all(runner: Any) -> None:
    """Cancel what was submitted to a task runner, by any flow run of this process."""
    with _all_lock:
        everywhere = list(_all)
    for submissions in everywhere:
        submissions.cancel(runner)


def _hand_over(units: Sequence[Submitted], launcher: Launcher, *, is_async: bool) -> None:
    if len(units) > 1:
        launcher.launch_chunk(units, is_async=is_async)
        return
    (one,) = units
    one.handle = launcher.launch(one.life, one.context, one.at_end, is_async=is_async)
    if one.future.run.refused:  # it was given up while it was launched
        one.stop(RunCancelled("The run was cancelled."))


def _leave_behind(told: Iterable[Submitted], error: BaseException) -> None:
    """End the runs whose bodies did not react to being told to stop."""
    for submitted in told:
        if not submitted.future.done:
            submitted.give_up(error)
            if submitted.handle is not None:
                submitted.handle.leave_behind()
            submitted.future.set_done()


def _after_fork() -> None:
    global _all_lock
    _all_lock = threading.Lock()
    for submissions in list(_all):
        submissions.start_anew()


os.register_at_fork(after_in_child=_after_fork)


def _record_crash(future: RunFuture[Any], error: BaseException) -> None:
    """A life ended by an error of its own: the run says so, rather than hang."""
    run = future.run
    if not run.ended:
        run.end_time_us = now()
        run.value = MISSING if run.told_to_stop else error  # whoever asks for its result is not cancelled
        cancelled = isinstance(error, RunCancelled) or run.cancelled
        error = run.session.cause_of(error)
        code, message = (CANCELLED, "The run was cancelled.") if cancelled else (CRASHED, crash_message(error))
        run.history.append((code, run.end_time_us, None, message))
        run.touch()
