"""Tasks in other processes of this machine: for bodies that keep the interpreter busy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from typing import Any

from dalsegno._backend.connect import connect
from dalsegno._engine import remote
from dalsegno._engine.pool import ThreadPool
from dalsegno._engine.pooled import Chunk, PooledDrive
from dalsegno._engine.steps import Life
from dalsegno._engine.submission import AtEnd, Handle, Launcher, Submitted
from dalsegno._engine.workers import Workers
from dalsegno.task_runners.base import TaskRunner
from dalsegno.task_runners.threads import ThreadPoolTaskRunner


class ProcessPoolTaskRunner(TaskRunner):
    """Runs the bodies of submitted tasks in a pool of processes; futures, contexts, logs and tags work as in threads.

    Functions, arguments and results are sent by cloudpickle. A script that uses it needs the usual
    ``if __name__ == "__main__":`` around what starts its flow.

    Args:
        max_workers: How many processes; by default as many as there are processors.
        initializer, initargs: Called once in each process.

    Example:
        >>> @flow(task_runner=ProcessPoolTaskRunner(max_workers=4))
        ... def nightly(): ...
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        super().__init__()
        if max_workers is not None and (not isinstance(max_workers, int) or max_workers < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"max_workers must be a whole number, 1 or more; it is {max_workers!r}.")
        self.max_workers = max_workers
        self.initializer = initializer
        self.initargs = initargs

    def settings(self) -> tuple[Any, ...]:
        return (self.max_workers, self.initializer, self.initargs)

    def open(self) -> Launcher:
        return _ProcessLauncher(self.max_workers or os.cpu_count() or 1, self.initializer, self.initargs)


class _ProcessLauncher:
    """Lives lives on threads, one for each process, and sends the bodies over."""

    def __init__(self, workers: int, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
        self._pool = ThreadPool(workers, name="dalsegno-process-worker")
        self._workers = Workers(workers, _run, initializer, initargs)

    def launch(self, life: Life, context: Context, at_end: AtEnd, *, is_async: bool) -> Handle:
        """Live a life whose bodies run in another process, coroutines too."""
        drive = PooledDrive(life, self._pool, context, at_end, self._workers)
        drive.start()
        return drive

    def launch_chunk(self, submitted: Sequence[Submitted], *, is_async: bool) -> None:
        """Live several lives, whose bodies go to one process together."""
        drives: list[PooledDrive] = []
        for one in submitted:
            drive = PooledDrive(one.life, self._pool, one.context, one.at_end, self._workers)
            one.handle = drive
            drives.append(drive)
        Chunk(drives, self._pool, self._workers).start()

    def close(self) -> None:
        """Let the processes end."""
        self._pool.close()
        self._workers.close()


def _run(message: bytes) -> Iterator[bytes]:
    return remote.run_calls(message, connect, ThreadPoolTaskRunner)
