"""Event loops for submitted coroutines: all of one level run together on one loop, in its own thread.

A coroutine that blocks on a future blocks its loop; what it submitted runs on the loop of the next level, so that it
cannot be waiting for itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar

from dalsegno._engine.drivers import drive_async
from dalsegno._engine.steps import Life
from dalsegno.exceptions import RunCancelled

AtEnd = Callable[[BaseException | None], None]


class EngineLoop:
    """An event loop in a thread, to which work is handed in batches."""

    def __init__(self, level: int) -> None:
        self.level = level
        self._arrived: deque[Coroutine] = deque()
        self._told = False
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            threading.Thread(target=self._run, name=f"dalsegno-loop-{level}", daemon=True).start()
        except RuntimeError:
            self._loop.close()
            raise

    def start(self, coroutine: Coroutine) -> None:
        """Live a life as a coroutine of this loop."""
        self._arrived.append(coroutine)
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._take)

    def cancel(self, coroutine: Coroutine) -> None:
        """Cancel what runs on this loop."""
        self._loop.call_soon_threadsafe(coroutine.cancel_here)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _take(self) -> None:
        self._told = False
        while self._arrived:
            coroutine = self._arrived.popleft()
            task = self._loop.create_task(_live(coroutine.life, coroutine.at_end), context=coroutine.context)
            coroutine.task = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class Coroutine:
    """A life on its way to a loop, and on it."""

    __slots__ = ("loop", "life", "context", "at_end", "task")

    def __init__(self, loop: EngineLoop, life: Life, context: Context, at_end: AtEnd) -> None:
        self.loop = loop
        self.life = life
        self.context = context
        self.at_end = at_end
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Hand it to its loop."""
        self.loop.start(self)

    def stop(self, error: BaseException) -> bool:
        """Cancel it; False if it has not begun. It is left alone where the run is not cancelled but crashed."""
        if self.task is None or not isinstance(error, RunCancelled):
            return False
        self.loop.cancel(self)
        return True

    def cancel_here(self) -> None:
        """Cancel it, in the thread of its loop."""
        if self.task is not None:
            self.task.cancel()

    def leave_behind(self) -> None:
        """Nobody waits for a coroutine that does not end when it is cancelled; the others have its loop anyway."""


async def _live(life: Life, at_end: AtEnd) -> None:
    try:
        await drive_async(life)
    except BaseException as error:
        at_end(error)
    else:
        at_end(None)


_level: ContextVar[int] = ContextVar("dalsegno_loop_level", default=-1)
_loops: list[EngineLoop] = []
_lock = threading.Lock()


def loop_for(context: Context) -> EngineLoop:
    """Return the loop for a coroutine, by the context in which it was submitted (it may be launched elsewhere)."""
    level = context.get(_level, -1) + 1
    context.run(_level.set, level)
    with _lock:
        while len(_loops) <= level:
            _loops.append(EngineLoop(len(_loops)))
        return _loops[level]


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    _loops.clear()


os.register_at_fork(after_in_child=_forget)
