"""Launches lives on threads: sync ones on a pool, coroutines on the engine's loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextvars import Context

from dalsegno._engine import blocking
from dalsegno._engine.loops import Coroutine, loop_for
from dalsegno._engine.pool import ThreadPool
from dalsegno._engine.pooled import Chunk, PooledDrive
from dalsegno._engine.steps import Life
from dalsegno._engine.submission import AtEnd, Handle, Submitted


class ThreadLauncher:
    """At most `max_workers` bodies at a time; of coroutines only if `bound_coroutines`."""

    def __init__(self, max_workers: int, *, bound_coroutines: bool) -> None:
        self._pool = ThreadPool(max_workers)
        self._most = max_workers if bound_coroutines else None
        self._lock = threading.Lock()
        self._running = 0
        self._queued: deque[Coroutine] = deque()

    def launch(self, life: Life, context: Context, at_end: AtEnd, *, is_async: bool) -> Handle:
        """Live a life, now or when there is room."""
        if not is_async:
            drive = PooledDrive(life, self._pool, context, at_end)
            drive.start()
            return drive
        coroutine = Coroutine(loop_for(context), life, context, at_end)
        if self._most is None:
            context.run(blocking.set_place_of_coroutine, None)
            coroutine.start()
            return coroutine
        with self._lock:
            self._queued.append(coroutine)
        self._start_queued()
        return coroutine

    def launch_chunk(self, submitted: Sequence[Submitted], *, is_async: bool) -> None:
        """Live lives one after another on one thread. Coroutines share a loop anyway: each is its own unit."""
        if is_async:
            for one in submitted:
                one.handle = self.launch(one.life, one.context, one.at_end, is_async=True)
            return
        drives: list[PooledDrive] = []
        for one in submitted:
            drive = PooledDrive(one.life, self._pool, one.context, one.at_end)
            one.handle = drive
            drives.append(drive)
        Chunk(drives, self._pool).start()

    def _start_queued(self) -> None:
        assert self._most is not None
        while True:
            with self._lock:
                if not self._queued or self._running >= self._most:
                    return
                self._running += 1
                coroutine = self._queued.popleft()
            place = _Place(self)
            coroutine.context.run(blocking.set_place_of_coroutine, place)
            coroutine.at_end = place.ended_before(coroutine.at_end)
            coroutine.start()

    def count(self, change: int) -> None:
        """Note that one more coroutine runs, or one less."""
        with self._lock:
            self._running += change
        if change < 0:
            self._start_queued()

    def close(self) -> None:
        """Let the threads end once nothing is queued."""
        self._pool.close()


class _Place:
    """What a coroutine has of its launcher's limit: given up while anything in it waits for a future.

    As in the pool it goes on at once when the wait is over, if need be above the limit.
    """

    def __init__(self, launcher: ThreadLauncher) -> None:
        self._launcher = launcher
        self._lock = threading.Lock()
        self._waits = 0
        self._over = False

    def leave(self) -> None:
        with self._lock:
            self._waits += 1
            gives_up = self._waits == 1 and not self._over
        if gives_up:
            self._launcher.count(-1)

    def take(self) -> None:
        with self._lock:
            self._waits -= 1
            goes_on = self._waits == 0 and not self._over
        if goes_on:
            self._launcher.count(1)

    def ended_before(self, at_end: AtEnd) -> AtEnd:
        """Give the place back before `at_end`."""

        def ended(error: BaseException | None) -> None:
            with self._lock:
                has_it = self._waits == 0
                self._over = True
            if has_it:
                self._launcher.count(-1)
            at_end(error)

        return ended
