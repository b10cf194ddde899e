"""What Task and Flow share: the function inside, binding to instances and classes, and hooks added by decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, ClassVar, Generic, ParamSpec, Self, TypeVar, cast

from dalsegno._engine import naming
from dalsegno._engine.calls import compile_call
from dalsegno._engine.options import check_hooks

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Hook = Callable[..., Any]


class Decorated(Generic[P, R]):
    """A function with what a decorator makes of it. `fn` is the function itself."""

    kind: ClassVar[str]
    """``"task"`` or ``"flow"``, for messages."""
    name: str

    def _set_function(self, fn: Any) -> None:
        self._wrapper: type | None = None
        if isinstance(fn, (staticmethod, classmethod)):
            self._wrapper = type(cast("Any", fn))
            fn = cast("Any", fn).__func__
        if not callable(fn):
            raise TypeError(f"A {self.kind} is made of a function; {fn!r} cannot be called.")
        self.fn: Callable[P, R] = cast("Callable[P, R]", fn)
        self.bound_to: Any = None
        self.plan = compile_call(fn)
        body: Any = fn if inspect.isroutine(fn) else cast("Any", fn).__call__
        self.is_async_generator = inspect.isasyncgenfunction(body)
        self.is_generator = inspect.isgeneratorfunction(body) or self.is_async_generator
        self.is_async = inspect.iscoroutinefunction(body) or self.is_async_generator
        self.__name__ = naming.function_name(fn)
        self.__doc__ = getattr(fn, "__doc__", None)
        self.__module__ = getattr(fn, "__module__", __name__)
        self.__qualname__ = getattr(fn, "__qualname__", self.__name__)
        self.__wrapped__: Any = fn  # where `inspect.signature` looks

    def _bound(self, instance: Any, owner: type) -> Self:
        """Bind to an instance or class, as functions do: a copy, or itself where there is nothing to bind to."""
        if self._wrapper is staticmethod or (instance is None and self._wrapper is None):
            return self
        bound_to = owner if self._wrapper is classmethod else instance
        bound = copy(self)
        bound.fn = bound.__wrapped__ = cast("Any", self.fn).__get__(bound_to, owner)
        bound.plan = compile_call(bound.fn)
        bound.bound_to = bound_to
        return bound

    # --- hooks

    def _set_hooks(self, given: Mapping[str, Any]) -> None:
        self.state_handlers = check_hooks("state_handlers", given["state_handlers"])
        self.on_running_hooks = check_hooks("on_running", given["on_running"])
        self.on_completion_hooks = check_hooks("on_completion", given["on_completion"])
        self.on_failure_hooks = check_hooks("on_failure", given["on_failure"])
        self.on_cancellation_hooks = check_hooks("on_cancellation", given["on_cancellation"])
        self.on_crashed_hooks = check_hooks("on_crashed", given["on_crashed"])

    def on_running(self, fn: Hook) -> Hook:
        """Add a hook that is called before every run of the body; use it as a decorator."""
        self.on_running_hooks = (*self.on_running_hooks, *check_hooks("on_running", [fn]))
        return fn

    def on_completion(self, fn: Hook) -> Hook:
        """Add a hook for the end as Completed; use it as a decorator.

        Example:
            >>> @clean.on_completion
            ... def tell(task, task_run, state): ...
        """
        self.on_completion_hooks = (*self.on_completion_hooks, *check_hooks("on_completion", [fn]))
        return fn

    def on_failure(self, fn: Hook) -> Hook:
        """Add a hook for the end as Failed, after the last retry; use it as a decorator.

        Example:
            >>> @nightly.on_failure
            ... def tell(flow, flow_run, state): ...
        """
        self.on_failure_hooks = (*self.on_failure_hooks, *check_hooks("on_failure", [fn]))
        return fn

    def on_cancellation(self, fn: Hook) -> Hook:
        """Add a hook for the end as Cancelled; use it as a decorator."""
        self.on_cancellation_hooks = (*self.on_cancellation_hooks, *check_hooks("on_cancellation", [fn]))
        return fn

    def on_crashed(self, fn: Hook) -> Hook:
        """Add a hook for the end as Crashed; use it as a decorator."""
        self.on_crashed_hooks = (*self.on_crashed_hooks, *check_hooks("on_crashed", [fn]))
        return fn

    def __repr__(self) -> str:
        return f"<{self.kind.title()} {self.name!r}>"
