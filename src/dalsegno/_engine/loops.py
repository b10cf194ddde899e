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

AtEnd = Callable[[BaseException | None], None]


class EngineLoop:
    """An event loop in a thread, to which work is handed in batches."""

    def __init__(self, level: int) -> None:
        self.level = level
        self._arrived: deque[tuple[Life, Context, AtEnd]] = deque()
        self._told = False
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            threading.Thread(target=self._run, name=f"dalsegno-loop-{level}", daemon=True).start()
        except RuntimeError:
            self._loop.close()
            raise

    def start(self, life: Life, context: Context, at_end: AtEnd) -> None:
        """Live a life as a coroutine of this loop."""
        self._arrived.append((life, context, at_end))
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._take)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _take(self) -> None:
        self._told = False
        while self._arrived:
            life, context, at_end = self._arrived.popleft()
            task = self._loop.create_task(_live(life, at_end), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


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
