"""The annotations of a function's parameters as types: references resolved, what is no type left out."""

from __future__ import annotations

import builtins
import collections.abc as abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

from dalsegno._engine.calls import CallPlan

# Pydantic would hand a body a wrapper that can be gone through once only, in place of its list.
_LAZY: Final = (
    abc.Iterable,
    abc.Iterator,
    abc.Generator,
    abc.AsyncIterable,
    abc.AsyncIterator,
    abc.AsyncGenerator,
)


_SELF: Final[Any] = typing.Self


def local_names(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the names around a local function, for annotations that are text; called while it is decorated.

    A class that stands in the same function as a flow is in no namespace that could be found later.
    """
    function = _inner(fn)
    parent, found, _ = getattr(function, "__qualname__", "").rpartition(".<locals>.")
    if not found or not any(isinstance(a, str) for a in getattr(function, "__annotations__", {}).values()):
        return {}
    frame: types.FrameType | None = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_qualname == parent and frame.f_globals is function.__globals__:
            return frame.f_locals
        frame = frame.f_back
    return {}


def resolve_annotations(fn: Callable[..., Any], plan: CallPlan, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of each parameter that has one which can be checked.

    Left out are parameters without an annotation or with Any, text that cannot be resolved (names that are
    imported for type checkers only), and lazy iterables. What ``*args`` and ``**kwargs`` take is a tuple
    and a dict.
    """
    found: dict[str, Any] = {}
    for name, parameter in plan.signature.parameters.items():
        annotation = _resolve(parameter.annotation, fn, names)
        if any(annotation is nothing for nothing in (parameter.empty, Any, _SELF)) or _is_lazy(annotation):
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            annotation = tuple[annotation, ...]
        elif parameter.kind is parameter.VAR_KEYWORD:
            unpacked = typing.get_origin(annotation) is typing.Unpack
            annotation = typing.get_args(annotation)[0] if unpacked else dict[str, annotation]
        found[name] = annotation
    return found


def _inner(fn: Any) -> Any:
    """Return the function with the annotations: under partials, methods, wrappers and callable objects."""
    while True:
        deeper = getattr(fn, "__wrapped__", None) or getattr(fn, "__func__", None) or getattr(fn, "func", None)
        if deeper is None or isinstance(fn, type):
            break
        fn = deeper
    return fn if hasattr(fn, "__globals__") else getattr(type(fn).__call__, "__func__", type(fn).__call__)


def _resolve(annotation: Any, fn: Any, names: Mapping[str, Any]) -> Any:
    if annotation is None:
        return type(None)
    if isinstance(annotation, types.BuiltinFunctionType | types.FunctionType):
        return Any
    if not isinstance(annotation, str):
        return annotation
    function = _inner(fn)
    cells = zip(
        getattr(getattr(function, "__code__", None), "co_freevars", ()),
        getattr(function, "__closure__", None) or (),
        strict=False,
    )
    closure = {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}
    known = {**names, **closure}
    try:
        resolved = eval(annotation, {"__builtins__": builtins, **getattr(function, "__globals__", {})}, known)
    except Exception:
        # Text need not be a type, nor be resolvable at run time; it is then not checked.
        return Any
    return _resolve(resolved, fn, names)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_lazy(annotation: Any) -> bool:
    if (typing.get_origin(annotation) or annotation) in _LAZY:
        return True
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return any(map(_is_lazy, typing.get_args(annotation)))
    return False
