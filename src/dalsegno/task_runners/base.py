"""What all task runners share: how they are configured, opened for a flow run, and closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from dalsegno._backend.connect import connect
from dalsegno._engine import calling, map_calls, submission
from dalsegno._engine.futures import Future, FutureList
from dalsegno._engine.submission import Launcher


class TaskRunner(ABC):
    """A way of running submitted tasks. Two of one class with the same settings are equal.

    A flow opens a runner of its own for each run, so one object can serve many flows.
    """

    def __init__(self) -> None:
        self._launcher: Launcher | None = None
        self._lent: _Opened | None = None

    @property
    def name(self) -> str:
        """The class's name without "TaskRunner", in lower case: ``"threadpool"``."""
        return type(self).__name__.lower().removesuffix("taskrunner")

    @abstractmethod
    def settings(self) -> tuple[Any, ...]:
        """Return what makes two runners of this class equal, in the order of its constructor's arguments."""

    @abstractmethod
    def open(self) -> Launcher:
        """Return what runs tasks for one flow run."""

    def duplicate(self) -> Self:
        """Return a runner with the same settings."""
        return type(self)(*self.settings())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.settings() == self.settings()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __enter__(self) -> Self:
        if self._launcher is not None:
            raise RuntimeError(f"This {type(self).__name__} is in use already: make another with duplicate().")
        self._launcher = self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = self._lent = None

    def cancel_all(self) -> None:
        """Cancel what was submitted to this runner and has not ended, in all flow runs of this process that use it.

        What does not run yet ends as Cancelled at once. What runs is told to stop: a thread and a coroutine by an
        exception, a process by a signal; what does not react is left behind, a process killed. The futures of all
        are done soon after this returns, and the runner takes new tasks.

        Example:
            >>> runner = ThreadPoolTaskRunner(max_workers=4)
            >>> @flow(task_runner=runner)
            ... def search():
            ...     found = as_completed(look.map(places))
            ...     first = next(found).result()
            ...     runner.cancel_all()
        """
        submission.cancel_all(self)

    def submit(
        self, task: Any, parameters: dict[str, Any], wait_for: Iterable[Any] | None = None, dependencies: Any = None
    ) -> Future[Any]:
        """Submit a task with parameters by name. Raises RuntimeError outside of ``with runner:``."""
        return calling.submit_task(self._bound(task), task.plan.with_defaults(parameters), wait_for, connect)

    def map(self, task: Any, parameters: dict[str, Any], wait_for: Iterable[Any] | None = None) -> FutureList[Any]:
        """Submit a task for each item of the iterable parameters. Raises RuntimeError outside of ``with runner:``."""
        bound = self._bound(task)
        return map_calls.submit_all(
            task.plan, parameters, lambda each: calling.submit_chunk(bound, each, wait_for, connect), None
        )

    def _bound(self, task: Any) -> Any:
        launcher = self._launcher
        if launcher is None:
            raise RuntimeError(f"This {type(self).__name__} is not started: use it as `with runner:`.")
        if self._lent is None:
            self._lent = _Opened(launcher, self)
        return task.with_options(task_runner=self._lent)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.settings()))})"


class _Opened:
    """A runner that is open already, and closed by whoever opened it."""

    def __init__(self, launcher: Launcher, lender: TaskRunner) -> None:
        self._launcher = launcher
        self.lender = lender

    def open(self) -> Launcher:
        return _Borrowed(self._launcher)


class _Borrowed:
    def __init__(self, launcher: Launcher) -> None:
        self.launch = launcher.launch
        self.launch_chunk = launcher.launch_chunk

    def close(self) -> None:
        """It is not ours to close."""
