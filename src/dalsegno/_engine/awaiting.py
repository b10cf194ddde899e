"""Functions that block, made fit for both kinds of code: called outside of coroutines, awaited in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from dalsegno._engine.dispatch import in_async_context

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that blocks in a thread, in a copy of the context."""
    import asyncio

    return await asyncio.to_thread(fn, *args, **kwargs)


def awaited_in_coroutines(fn: Callable[P, R]) -> Callable[P, Any]:
    """Make a blocking function give an awaitable in coroutines, and its result elsewhere."""

    @functools.wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        return in_thread(fn, *args, **kwargs) if in_async_context() else fn(*args, **kwargs)

    return call
