"""The children of a mapped call while a flow is drawn: of what is not known there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, cast

from dalsegno._engine.annotations import Annotation, flatten, quote, unmapped
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.futures import RunFuture
from dalsegno._engine.graphs import is_stand_in, result_of
from dalsegno._engine.mapping import expand, is_mapped
from dalsegno._engine.placeholders import Placeholder
from dalsegno._engine.states import State


def opened(value: Any) -> Any:
    """Put the value in the place of an argument that stands for a list; what is not known, each child gets."""
    if isinstance(value, (RunFuture, State)):
        return opened(result_of(value))
    if isinstance(value, Placeholder):
        return unmapped(value)
    if isinstance(value, Annotation) and not isinstance(value, (unmapped, quote)):
        return _opened_inside(cast("Any", value))
    return cast("Any", value)


def _opened_inside(mark: Any) -> Any:
    kind, inner = cast("Any", type(mark)), opened(mark.value)
    if inner.__class__ is unmapped:
        return inner
    if kind is flatten and is_mapped(inner):
        inner = [[item] if is_stand_in(item) else item for item in inner]
    return cast("Any", kind(inner))


def drawn_children(plan: CallPlan, given: Mapping[str, Any], lazy: bool) -> Iterable[dict[str, Any]]:
    """Return the parameters of the children; of an iterable that may have no end, of the first only."""
    unknown = any(isinstance(value, unmapped) and is_stand_in(cast("Any", value).value) for value in given.values())
    if unknown and not any(is_mapped(value) for value in given.values()):
        return [plan.with_defaults({name: _unmarked(value) for name, value in given.items()})]
    children = expand(plan, given, lazy=lazy)
    return islice(children, 1) if children.length is None else children


def _unmarked(value: Any) -> Any:
    return cast("Any", value).value if isinstance(value, unmapped) else value
