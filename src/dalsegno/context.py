"""The context of the run in whose body code stands, and the tags and settings in force there.

It follows code into the threads and processes of task runners by itself; `with_context` takes it into those that user
code starts.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Mapping
from contextvars import Context, copy_context
from typing import Any, Generic, ParamSpec, TypeVar

from dalsegno._backend.connect import connect
from dalsegno._engine.carrying import opened_scope, pack_scope
from dalsegno._engine.context import FlowRunContext, RunContext, TaskRunContext, current_scope, get_run_context, tags
from dalsegno._engine.remote import dumps
from dalsegno.settings import Settings, get_current_settings, refresh_settings, use_profile

__all__ = [
    "EngineContext",
    "FlowRunContext",
    "RunContext",
    "TaskRunContext",
    "get_run_context",
    "get_settings_context",
    "hydrated_context",
    "refresh_global_settings_context",
    "serialize_context",
    "tags",
    "use_profile",
    "with_context",
]

P = ParamSpec("P")
R = TypeVar("R")

EngineContext = FlowRunContext


def get_settings_context() -> Settings:
    """Return the settings in force here."""
    return get_current_settings()


def refresh_global_settings_context() -> None:
    """Read the settings anew: the environment and the files that they come from have changed."""
    refresh_settings()


def serialize_context() -> dict[str, Any]:
    """Return the context of the run in whose body the caller stands, as something that can be pickled.

    Example:
        >>> pool.submit(work, item, serialize_context())
    """
    return {"context": dumps(pack_scope(current_scope()))}


@contextlib.contextmanager
def hydrated_context(serialized_context: Mapping[str, Any] | None = None) -> Generator[None]:
    """Stand in a context that `serialize_context` gave, perhaps in another process.

    Loggers, runtime and tags are there, and tasks that are called belong to the run. At the end of the block all of
    that is recorded. What was serialized is loaded with pickle: give it only what your own program serialized.

    Example:
        >>> def work(item, context):
        ...     with hydrated_context(context):
        ...         get_run_logger().info("working on %s", item)
    """
    if not serialized_context:
        yield
        return
    import cloudpickle

    from dalsegno.task_runners import ThreadPoolTaskRunner

    with opened_scope(cloudpickle.loads(serialized_context["context"]), connect, ThreadPoolTaskRunner):
        yield


class _WithContext(Generic[P, R]):
    """A function that runs in the context in which it was wrapped, in threads and, pickled, in other processes."""

    def __init__(self, fn: Callable[P, R], context: Context | None, serialized: dict[str, Any] | None) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._context = context
        self._serialized = serialized

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._context is not None:
            return self._context.copy().run(self._fn, *args, **kwargs)
        with hydrated_context(self._serialized):
            return self._fn(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        serialized = self._serialized
        if self._context is not None:
            serialized = self._context.copy().run(serialize_context)
        return _WithContext, (self._fn, None, serialized)


def with_context(fn: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs in the context of the run in which it is wrapped now.

    For threads and processes that user code starts itself; those of task runners have the context anyway.

    Example:
        >>> with ThreadPoolExecutor() as pool:
        ...     list(pool.map(with_context(resize), images))
    """
    return _WithContext(fn, copy_context(), None)
