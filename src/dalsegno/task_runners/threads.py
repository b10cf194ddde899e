"""Tasks on threads of this process: the default."""

from __future__ import annotations

from typing import Any

from dalsegno._engine.submission import Launcher
from dalsegno._engine.threads import ThreadLauncher
from dalsegno.settings import get_current_settings
from dalsegno.task_runners.base import TaskRunner


class ThreadPoolTaskRunner(TaskRunner):
    """Runs submitted sync tasks on threads, and async ones together on an event loop.

    Args:
        max_workers: How many tasks run at a time. By default up to the setting
            `DALSEGNO_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS` on threads, and coroutines without bound. Any number
            works: a task that waits for another does not count while it waits.

    Example:
        >>> @flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
        ... def nightly(): ...
    """

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__()
        if max_workers is not None and (not isinstance(max_workers, int) or max_workers < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"max_workers must be a whole number, 1 or more; it is {max_workers!r}.")
        self.max_workers = max_workers

    def settings(self) -> tuple[Any, ...]:
        return (self.max_workers,)

    def open(self) -> Launcher:
        if self.max_workers is not None:
            return ThreadLauncher(self.max_workers, bound_coroutines=True)
        most = get_current_settings().tasks.runner.thread_pool_max_workers
        return ThreadLauncher(most, bound_coroutines=False)


ConcurrentTaskRunner = ThreadPoolTaskRunner
"""The name that older code knows."""
