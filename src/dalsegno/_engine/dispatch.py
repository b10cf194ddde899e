"""Where code runs: in a coroutine, where what blocks is to be awaited, or not."""

from __future__ import annotations

import asyncio

from dalsegno._engine.context import current_scope


def in_async_context() -> bool:
    """Tell whether the caller stands in a coroutine: in the body of an async run, or outside runs in a running loop.

    The body of a sync run is not one, even when the program around it has a running loop.
    """
    scope = current_scope()
    if scope is not None and not scope.is_async:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
