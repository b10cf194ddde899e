"""`map`: one submitted call for each item of the iterables among the arguments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from dalsegno._engine import blocking
from dalsegno._engine.annotations import allow_failure, flatten, opaque
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.context import current_scope
from dalsegno._engine.futures import FutureList, RunFuture
from dalsegno._engine.mapping import expand
from dalsegno._engine.states import State, state_result

Submit = Callable[[Sequence[dict[str, Any]]], Sequence[RunFuture[Any]]]
"""Submits the calls with these parameters as one unit, and gives the future of each."""


def submit_all(
    plan: CallPlan,
    given: Mapping[str, Any],
    submit: Submit,
    max_in_flight: int | None,
    chunk_size: int | None = None,
) -> FutureList[Any]:
    """Submit a call for each child, `chunk_size` as one unit, at most `max_in_flight` of them under way at a time."""
    check_count("max_in_flight", max_in_flight, "no bound")
    check_count("chunk_size", chunk_size, "one at a time")
    scope = current_scope()
    if scope is not None and scope.drawing is not None:
        return scope.drawing.map(plan, given, lambda one: submit([one])[0], lazy=max_in_flight is not None)
    opened = {name: _opened(value) for name, value in given.items()}
    futures: FutureList[Any] = FutureList()
    room = None if max_in_flight is None else threading.Semaphore(max_in_flight)
    # A chunk that is not full holds its share of the bound while the next item waits for room: so it is no larger.
    size = min(chunk_size or 1, max_in_flight or sys.maxsize)
    for children in _chunks(expand(plan, opened, lazy=max_in_flight is not None), size, room):
        submitted = submit(children)
        if room is not None:
            for future in submitted:
                future.add_done_callback(lambda _, room=room: room.release())
        futures.extend(submitted)
    return futures


def check_count(name: str, value: Any, without: str) -> None:
    """Raise ValueError or TypeError unless a value is a whole number of 1 or more, or None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, or None for {without}; it is {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, or None for {without}; it is {value!r}.")


def _chunks(
    children: Iterable[dict[str, Any]], size: int, room: threading.Semaphore | None
) -> Iterator[list[dict[str, Any]]]:
    """Gather the children, each when there is room for it."""
    chunk: list[dict[str, Any]] = []
    for parameters in children:
        if room is not None:
            with blocking.released():
                room.acquire()
        chunk.append(parameters)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


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
