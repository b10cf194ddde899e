"""`map`: from one call with iterables to the parameters of its children; not how the children run."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import chain
from typing import Any, Final, cast

from dalsegno._engine.annotations import Annotation, allow_failure, flatten, opaque, quote, unmapped
from dalsegno._engine.calls import CallPlan
from dalsegno.exceptions import MappingLengthMismatch, MappingMissingIterable

Path = tuple[str, int | str | None]
"""A parameter's name, and, within ``*args`` or ``**kwargs``, the place or keyword."""

_WHOLE: Final = (str, bytes, bytearray, memoryview, io.IOBase)
_END: Final = object()


class Children:
    """The parameters of each child, made when they are asked for; gone through once.

    Raises:
        MappingLengthMismatch: While it is gone through, where iterables without a length turn out to differ.
    """

    __slots__ = ("_columns", "_fixed", "_plan", "length")

    length: int | None
    """How many children there are; None until the end where an iterable does not tell."""

    def __init__(
        self,
        plan: CallPlan,
        fixed: Mapping[Path, Any],
        columns: Mapping[Path, Iterator[Any]],
        length: int | None,
    ) -> None:
        self._plan = plan
        self._fixed = fixed
        self._columns = columns
        self.length = length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        columns = self._columns
        number = 0
        while True:
            items = {path: next(column, _END) for path, column in columns.items()}
            ended = [path for path, item in items.items() if item is _END]
            if ended:
                break
            yield self._child(items)
            number += 1
        if len(ended) < len(columns):
            lengths = {path: str(number) if path in ended else f"more than {number}" for path in columns}
            raise MappingLengthMismatch(_mismatch(self._plan, lengths))

    def _child(self, items: Mapping[Path, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for path in sorted(self._fixed.keys() | items.keys(), key=self._place):
            value = items[path] if path in items else self._fixed[path]
            name, inner = path
            if inner is None:
                given[name] = value
            elif isinstance(inner, int):
                given[name] = (*given.get(name, ()), value)
            else:
                given.setdefault(name, {})[inner] = value
        return self._plan.with_defaults(given)

    def _place(self, path: Path) -> tuple[int, int]:
        return self._plan.names.index(path[0]), path[1] if isinstance(path[1], int) else 0


def expand(plan: CallPlan, given: Mapping[str, Any], *, lazy: bool = False) -> Children:
    """Return the parameters of the children of a mapped call.

    Args:
        plan: The call plan of the mapped function.
        given: What `plan.bind_given` returned, so that defaults are not mapped, with the result in place of
            each future or State that stands for a whole iterable. Futures *in* an iterable go to the
            children, one each.
        lazy: Take the items of iterators when a child is asked for, and no sooner. Else all are taken now,
            so that lengths are compared before there is any child.

    Raises:
        MappingMissingIterable: Nothing is iterable.
        MappingLengthMismatch: Iterables have different lengths.

    Example:
        >>> plan = compile_call(lambda country, orders, limit=10: None)
        >>> list(expand(plan, {"country": ["de", "fr"], "orders": unmapped([1, 2, 3])}))
        [{'country': 'de', 'orders': [1, 2, 3], 'limit': 10}, {'country': 'fr', 'orders': [1, 2, 3],
        'limit': 10}]
    """
    fixed: dict[Path, Any] = {}
    columns: dict[Path, Iterator[Any]] = {}
    lengths: dict[Path, int] = {}
    for path, value in _paths(plan, given):
        if not is_mapped(value):
            fixed[path] = value.unwrap() if isinstance(value, unmapped) else value
            continue
        items = _items(value)
        if not lazy and not isinstance(items, Sized):
            items = list(items)
        if isinstance(items, Sized):
            lengths[path] = len(items)
        columns[path] = iter(items)
    if not columns:
        raise MappingMissingIterable(
            f"Nothing that was given to map {plan.name!r} can be iterated over: give it a list (or another "
            f"iterable) for at least one of its parameters, or call submit in place of map."
        )
    if len(set(lengths.values())) > 1:
        raise MappingLengthMismatch(_mismatch(plan, {path: str(n) for path, n in lengths.items()}))
    known = len(lengths) == len(columns)
    return Children(plan, fixed, columns, next(iter(lengths.values())) if known else None)


def is_mapped(value: Any) -> bool:
    """Tell whether a value has an item for each child; else it is the same for all."""
    if isinstance(value, unmapped):
        return False
    if isinstance(value, flatten):
        return True
    if isinstance(value, Annotation):
        return is_mapped(cast("Annotation[Any]", value).value)
    # A model is iterable, over its fields, which nobody means by it.
    is_model = hasattr(cast("Any", type(value)), "__pydantic_validator__")
    return not isinstance(value, _WHOLE) and not is_model and _is_iterable(value)


def _is_iterable(value: Any) -> bool:
    try:
        iter(value)
    except TypeError:
        return False
    return True


def _items(value: Any) -> Iterable[Any]:
    """Return the items for the children; a mark around the whole is one around each."""
    if isinstance(value, flatten):
        inner: Any = cast("flatten[Any]", value).value
        return chain.from_iterable(_items(item) for item in _items(inner))
    mark = cast("Any", type(value))
    if mark in (quote, allow_failure, opaque):
        items = _items(value.value)
        marked = cast("Iterator[Any]", map(mark, items))
        return list(marked) if isinstance(items, Sized) else marked
    return value


def _paths(plan: CallPlan, given: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, value in given.items():
        if name == plan.var_positional:
            yield from (((name, place), item) for place, item in enumerate(value))
        elif name == plan.var_keyword:
            yield from (((name, keyword), item) for keyword, item in value.items())
        else:
            yield (name, None), value


def _mismatch(plan: CallPlan, lengths: Mapping[Path, str]) -> str:
    told = ", ".join(f"{_shown(path)}: {length}" for path, length in lengths.items())
    return (
        f"The iterables given to map {plan.name!r} have different lengths ({told}). Give all the same "
        f"length, or put unmapped(...) around what is meant for each child as a whole."
    )


def _shown(path: Path) -> str:
    name, inner = path
    if isinstance(inner, int):
        return f"{name}[{inner}]"
    return name if inner is None else inner
