"""Futures: handles on submitted runs, and what waits for several of them."""

from __future__ import annotations

from typing import Any, cast

from dalsegno._engine.futures import (
    DoneAndNotDoneFutures,
    FlowRunFuture,
    Future,
    FutureList,
    RunFuture,
    as_completed,
    is_input,
    wait,
)
from dalsegno._engine.inputs import replace_inputs
from dalsegno._engine.states import State, state_result
from dalsegno.distributed import DistributedFuture

__all__ = [
    "DistributedFuture",
    "DoneAndNotDoneFutures",
    "FlowRunFuture",
    "Future",
    "FutureList",
    "as_completed",
    "resolve_futures_to_results",
    "resolve_futures_to_states",
    "wait",
]


def resolve_futures_to_states(expr: Any) -> Any:
    """Wait for the futures in a value, at any depth, and return a copy with their final States in their places."""
    return replace_inputs(expr, is_input, lambda item, _: _state(item))


def resolve_futures_to_results(expr: Any) -> Any:
    """Wait for the futures in a value, at any depth, and return a copy with their results in their places.

    Raises what the first failed one failed with.
    """
    return replace_inputs(expr, is_input, lambda item, _: state_result(_state(item)))


def _state(item: Any) -> State[Any]:
    if isinstance(item, RunFuture):
        future = cast("RunFuture[Any]", item)
        future.wait()
        return future.state
    return item
