"""Inputs among arguments: finding the futures and States in them, and putting results in their place.

Looked into are lists, tuples, sets, dicts (their values), dataclasses and pydantic models, at any depth;
arrays, frames and all other objects never. Two rules keep large plain data cheap: what holds only scalars is
recognised at the interpreter's speed, and of a large argument only a first part is looked at (`LOOK_CAP`).
"""

from __future__ import annotations

import copy
import datetime
import enum
import uuid
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from itertools import islice
from operator import is_
from pathlib import PosixPath, WindowsPath
from typing import Any, Final, cast

import msgspec

from dalsegno._engine.annotations import ANNOTATIONS, allow_failure, quote

IsInput = Callable[[Any], bool]
"""Tells whether a value is an input. It may look at nothing but the value's type."""

LOOK_CAP: Final = 10_000
"""How much of an argument is looked at: of each collection the first so many elements, and the first so many
collections, the outer ones first. Only if something is found there, the rest is looked at too."""

SCALAR_TYPES: Final[frozenset[type]] = frozenset(
    {
        *(int, float, complex, bool, str, bytes, bytearray, type(None), type(...), type, range, slice),
        *(Decimal, uuid.UUID, PosixPath, WindowsPath),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    }
)
"""Types whose values can hold no input."""


class Found(msgspec.Struct, frozen=True):
    """An input, and where it was."""

    item: Any
    allow_failure: bool
    parameter: str


class Scan(msgspec.Struct, frozen=True):
    """What `scan_inputs` found among the parameters of one call."""

    found: list[Found]
    """In the order of the parameters; within one, outer ones first."""
    parameters: tuple[str, ...]
    """The names of the parameters that have something to be replaced: inputs or marks."""


class _Kind(enum.Enum):
    LEAF = enum.auto()
    INPUT = enum.auto()
    MARK = enum.auto()
    ITEMS = enum.auto()
    MAPPING = enum.auto()
    DATACLASS = enum.auto()
    MODEL = enum.auto()


_PLAIN_KINDS: dict[type, _Kind] = {
    **dict.fromkeys((list, tuple, set, frozenset), _Kind.ITEMS),
    **dict.fromkeys(ANNOTATIONS, _Kind.MARK),
    dict: _Kind.MAPPING,
}


def find_inputs(parameters: Mapping[str, Any], is_input: IsInput) -> list[Found]:
    """Return the inputs among the parameters of a call.

    Nothing is found in a `quote`; all that is inside an `allow_failure` is marked so.
    """
    scan = scan_inputs(parameters, is_input)
    return [] if scan is None else scan.found


def scan_inputs(parameters: Mapping[str, Any], is_input: IsInput, cap: int = LOOK_CAP) -> Scan | None:
    """Return what must be replaced among the parameters of a call; None, and quickly, where nothing must."""
    if SCALAR_TYPES.issuperset(map(type, parameters.values())):
        return None
    found: list[Found] = []
    names: list[str] = []
    kinds = _Kinds.for_(is_input)
    for name, value in parameters.items():
        if type(value) in kinds.leaves:
            continue
        look = _Look(kinds, cap)
        look.into(value)
        if look.was_cut and look.must_replace:
            look = _Look(kinds, None)
            look.into(value)
        if look.must_replace:
            names.append(name)
            found.extend(Found(item, allowed, name) for item, allowed in look.found)
    return Scan(found, tuple(names)) if names else None


def replace_parameters(
    parameters: Mapping[str, Any], scan: Scan, is_input: IsInput, resolve: Callable[[Any, bool], Any]
) -> dict[str, Any]:
    """Return the parameters with results in place of the inputs that were found, and without marks."""
    replacing = _Replacing(_Kinds.for_(is_input), resolve)
    return {
        name: replacing.replace(value, False) if name in scan.parameters else value
        for name, value in parameters.items()
    }


def replace_inputs(value: Any, is_input: IsInput, resolve: Callable[[Any, bool], Any]) -> Any:
    """Return a value with `resolve(input, allow_failure)` in place of each input in it, and without marks.

    What holds something that was replaced is copied, what does not stays the very same object. What `resolve`
    returns is not looked into. Where a structure contains itself, the inner reference still leads to the
    caller's object. A subclass of list of which something was replaced becomes a plain list: such a class is
    made for futures (that of `map`), not for their results.

    Example:
        >>> replace_inputs([future, rows], is_future, lambda future, allow_failure: future.result())
    """
    scan = scan_inputs({"value": value}, is_input)
    if scan is None:
        return value
    return _Replacing(_Kinds.for_(is_input), resolve).replace(value, False)


class _Kinds:
    """How the values of each type are treated, worked out once a type."""

    __slots__ = ("_is_input", "_known", "leaves")

    leaves: set[type]
    """Types whose values are known to hold nothing."""

    def __init__(self, is_input: IsInput) -> None:
        self._is_input = is_input
        self._known = dict(_PLAIN_KINDS)
        self.leaves = set(SCALAR_TYPES)

    @classmethod
    def for_(cls, is_input: IsInput) -> _Kinds:
        """Return what is known already, unless it is so much that classes must be made in a loop."""
        kinds = _KINDS.get(is_input)
        if kinds is None or len(kinds._known) > 1000:
            if len(_KINDS) > 8:
                _KINDS.clear()
            kinds = _KINDS[is_input] = cls(is_input)
        return kinds

    def of(self, value: Any) -> _Kind:
        class_ = cast("type[Any]", type(value))
        kind = self._known.get(class_)
        if kind is None:
            kind = self._known[class_] = self._kind(value, class_)
            if kind is _Kind.LEAF:
                self.leaves.add(class_)
        return kind

    def _kind(self, value: Any, class_: type[Any]) -> _Kind:
        if self._is_input(value):
            return _Kind.INPUT
        if issubclass(class_, dict):
            return _Kind.MAPPING
        if issubclass(class_, list | tuple | set | frozenset):
            return _Kind.ITEMS
        if hasattr(class_, "__dataclass_fields__"):
            return _Kind.DATACLASS
        # Pydantic is known by its marks, so that nobody need import it.
        if hasattr(class_, "__pydantic_validator__") and hasattr(class_, "model_copy"):
            return _Kind.MODEL
        return _Kind.LEAF


_KINDS: dict[IsInput, _Kinds] = {}


class _Look:
    """A search through one argument, level by level: what is near the surface is found before the cap."""

    __slots__ = ("_cap", "_kinds", "_queue", "_seen", "found", "must_replace", "was_cut")

    def __init__(self, kinds: _Kinds, cap: int | None) -> None:
        self._kinds = kinds
        self._cap = cap
        self._queue: list[tuple[Any, bool]] = []
        self._seen: set[tuple[int, bool]] = set()
        self.found: list[tuple[Any, bool]] = []
        self.must_replace = False
        self.was_cut = False

    def into(self, value: Any) -> None:
        self._queue.append((value, False))
        kind_of = self._kinds.of
        for value, allowed in self._queue:  # grows while it is gone through
            kind = kind_of(value)
            if kind is _Kind.INPUT:
                self.must_replace = True
                self.found.append((value, allowed))
            elif kind is _Kind.MARK:
                self.must_replace = True
                if type(value) is not quote:
                    self._queue.append((value.value, allowed or type(value) is allow_failure))
            elif kind is not _Kind.LEAF:
                self._open(value, kind, allowed)

    def _open(self, value: Any, kind: _Kind, allowed: bool) -> None:
        """Queue what is in a collection, unless it was opened before."""
        key = (id(value), allowed)
        if key in self._seen:
            return
        if len(self._seen) == self._cap:
            self.was_cut = True
            return
        self._seen.add(key)
        items = _items(value, kind)
        if self._cap is not None and len(items) > self._cap:
            self.was_cut = True
            items = list(islice(items, self._cap))
        leaves = self._kinds.leaves
        if leaves.issuperset(map(type, items)):
            return
        # Rows of a table are the common case of much data: they are not even queued.
        self._queue += [
            (item, allowed)
            for item in items
            if type(item) not in leaves and not (type(item) is dict and self._is_plain(item))
        ]

    def _is_plain(self, row: Any) -> bool:
        return self._kinds.leaves.issuperset(map(type, steady(row.values())))


def _items(value: Any, kind: _Kind) -> Collection[Any]:
    """Return what is in a collection, always in the same order."""
    if kind is _Kind.ITEMS:
        return steady(cast("set[Any]", value)) if isinstance(value, (set, frozenset)) else value
    if kind is _Kind.MAPPING:
        return steady(cast("dict[Any, Any]", value).values())
    return list(_fields(value, kind).values())


def steady(items: Collection[Any]) -> list[Any]:
    """Return what a set or dict holds now: another thread may change it while a call looks at it."""
    while True:
        try:
            return list(items)
        except RuntimeError:
            continue  # it changed its size meanwhile


def _fields(value: Any, kind: _Kind) -> dict[str, Any]:
    if kind is _Kind.DATACLASS:
        names = cast("dict[str, Any]", type(value).__dataclass_fields__)
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {**value.__dict__, **(value.__pydantic_extra__ or {})}


class _Replacing:
    """One replacement; what is met twice is copied once."""

    __slots__ = ("_done", "_kinds", "_resolve")

    def __init__(self, kinds: _Kinds, resolve: Callable[[Any, bool], Any]) -> None:
        self._kinds = kinds
        self._resolve = resolve
        self._done: dict[tuple[int, bool], Any] = {}

    def replace(self, value: Any, allowed: bool) -> Any:
        kind = self._kinds.of(value)
        if kind is _Kind.LEAF:
            return value
        if kind is _Kind.INPUT:
            return self._resolve(value, allowed)
        if kind is _Kind.MARK and type(value) is quote:
            return cast("Any", value).value
        if kind is _Kind.MARK:
            return self.replace(value.value, allowed or type(value) is allow_failure)
        key = (id(value), allowed)
        if key not in self._done:
            self._done[key] = value
            self._done[key] = self._rebuild(value, kind, allowed)
        return self._done[key]

    def _rebuild(self, value: Any, kind: _Kind, allowed: bool) -> Any:
        old = _items(value, kind)
        if self._kinds.leaves.issuperset(map(type, old)):
            return value
        new = [self.replace(item, allowed) for item in old]
        if all(map(is_, new, old)):
            return value
        if kind is _Kind.ITEMS:
            return _collection_like(value, new)
        if kind is _Kind.MAPPING:
            return _mapping_like(value, new)
        return _object_like(value, kind, new)


def _collection_like(value: Any, items: list[Any]) -> Any:
    class_ = cast("Any", type(value))
    if issubclass(class_, list):
        return items
    if hasattr(class_, "_make"):
        return class_._make(items)
    if issubclass(class_, tuple):
        return cast("Any", tuple).__new__(class_, items)
    return class_(items)


def _mapping_like(value: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    pairs = zip(value, items, strict=True)
    if type(value) is dict:
        return dict(pairs)
    # A subclass may hold more than its items, such as the factory of a defaultdict.
    new = copy.copy(value)
    for key, item in pairs:
        new[key] = item
    return new


def _object_like(value: Any, kind: _Kind, items: list[Any]) -> Any:
    fields = _fields(value, kind)
    changed = {name: new for (name, old), new in zip(fields.items(), items, strict=True) if new is not old}
    if kind is _Kind.MODEL:
        return value.model_copy(update=changed)
    copied = copy.copy(value)
    for name, new in changed.items():
        object.__setattr__(copied, name, new)  # also where the class is frozen
    return copied
