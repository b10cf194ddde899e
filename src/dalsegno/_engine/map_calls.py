"""`map`: one submitted call for each item of the iterables among the arguments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from dalsegno._engine import blocking
from dalsegno._engine.annotations import allow_failure, flatten, opaque
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.context import current_scope
from dalsegno._engine.futures import FutureList, RunFuture
from dalsegno._engine.mapping import expand
from dalsegno._engine.states import State, state_result


def submit_all(
    plan: CallPlan,
    given: Mapping[str, Any],
    submit: Callable[[dict[str, Any]], RunFuture[Any]],
    max_in_flight: int | None,
) -> FutureList[Any]:
    """Submit a call for each child, at most `max_in_flight` of them under way at a time."""
    if max_in_flight is not None and max_in_flight < 1:
        raise ValueError(f"max_in_flight must be 1 or more, or None for no bound; it is {max_in_flight!r}.")
    scope = current_scope()
    if scope is not None and scope.drawing is not None:
        return scope.drawing.map(plan, given, submit, lazy=max_in_flight is not None)
    opened = {name: _opened(value) for name, value in given.items()}
    futures: FutureList[Any] = FutureList()
    room = None if max_in_flight is None else threading.Semaphore(max_in_flight)
    for parameters in expand(plan, opened, lazy=max_in_flight is not None):
        if room is not None:
            with blocking.released():
                room.acquire()
        future = submit(parameters)
        if room is not None:
            future.add_done_callback(lambda _, room=room: room.release())
        futures.append(future)
    return futures


def _opened(value: Any) -> Any:
    """Wait for an argument that is a future or a State of a list, and put the list in its place."""
    if isinstance(value, RunFuture):
        return cast("RunFuture[Any]", value).result()
    if isinstance(value, State):
        return state_result(cast("State[Any]", value))
    if isinstance(value, (allow_failure, flatten, opaque)):
        mark = cast("Any", value)
        return type(mark)(_opened(mark.value))
    return value
