"""Which objects are results of which task runs: so that passing one on by hand links two runs."""

from __future__ import annotations

import sys
import weakref
from typing import Any, cast

from dalsegno._engine.inputs import SCALAR_TYPES, steady

_MOST = 4096
_LARGE = 65536
_LOOKED_AT = 1000
_PARTS = 10_000  # values in one result that are remembered where it matters
# One reference is the table's own, one the argument of getrefcount, one the local variable.
_UNUSED = 3


class ValueLinks:
    """Remembers results by identity, as long as that costs no memory that user code does not hold anyway.

    Values that Python shares (None, booleans, small numbers, single characters) are nobody's.
    """

    __slots__ = ("entries", "_large", "_parts")

    def __init__(self) -> None:
        self.entries: dict[int, tuple[Any, bool, bytes, bytes]] = {}
        self._large: list[int] = []
        self._parts: dict[int, tuple[Any, bytes, bytes]] = {}

    def note(self, value: Any, run_id: bytes, execution_id: bytes, size: int) -> None:
        """Remember that `value`, of about `size` bytes, is the result of an execution."""
        type_: type = type(value)  # pyright: ignore[reportUnknownVariableType]
        if _is_shared(type_, value):
            return
        entries = self.entries
        if size >= _LARGE:
            self._sweep()
        kept, weak = value, False
        if type_ not in _STRONG:
            try:
                kept, weak = weakref.ref(value), True
            except TypeError:
                pass
        if size >= _LARGE and not weak:
            self._large.append(id(value))
        entries[id(value)] = (kept, weak, run_id, execution_id)
        if len(entries) > _MOST:
            for key in list(entries)[: _MOST // 4]:
                if key not in self._large:
                    entries.pop(key, None)

    def note_parts(self, value: Any, run_id: bytes, execution_id: bytes) -> None:
        """Remember of what is in a result, at any depth, whose it is; all of it is kept for as long as the run goes on.

        This is for a run that runs again although it completed: what is given a part of its result runs again too.
        """
        for part in parts_of(value, _PARTS):
            type_: type = type(part)  # pyright: ignore[reportUnknownVariableType]
            if not _is_shared(type_, part):
                self._parts[id(part)] = (part, run_id, execution_id)

    @property
    def is_empty(self) -> bool:
        return not self.entries and not self._parts

    def find(self, value: Any) -> tuple[bytes, bytes] | None:
        """Return (task run id, execution id) of the run whose result this very object is."""
        entry = self.entries.get(id(value))
        if entry is not None:
            kept, weak, run_id, execution_id = entry
            if (kept() if weak else kept) is value:
                return run_id, execution_id
        if self._parts:
            part = self._parts.get(id(value))
            if part is not None:  # it is kept, so that no other object can have its id
                return part[1], part[2]
        return None

    def find_in(self, collection: Any, *, deep: bool = False) -> list[bytes]:
        """Return the task runs whose results are in a collection (of a dict its values), each once.

        Only the first values are looked at, the outer ones first; only those of the collection itself unless `deep`.
        """
        values = parts_of(collection, _LOOKED_AT) if deep else _items(collection, _LOOKED_AT)
        found = [self.find(value) for value in values]
        return list(dict.fromkeys(origin[0] for origin in found if origin is not None))

    def _sweep(self) -> None:
        """Let go of large values that nobody else holds."""
        still: list[int] = []
        for key in self._large:
            entry = self.entries.get(key)
            if entry is None:
                continue
            value = entry[0]
            entry = None
            if sys.getrefcount(value) <= _UNUSED:
                self.entries.pop(key, None)
            else:
                still.append(key)
            del value
        self._large = still


_STRONG = frozenset({int, float, complex, str, bytes, list, dict, tuple})


def parts_of(value: Any, most: int) -> list[Any]:
    """Return what is in a collection (of a dict its values, of a dataclass or a model its fields), at any depth.

    The outer values come first; of what is more than `most` the rest is left out.
    """
    found: list[Any] = []
    seen = {id(value)}
    opened: list[Any] = [value]
    for collection in opened:  # grows while it is gone through
        for part in _items(collection, most - len(found)):
            found.append(part)
            if type(part) not in SCALAR_TYPES and id(part) not in seen:
                seen.add(id(part))
                opened.append(part)
        if len(found) >= most:
            break
    return found


def _items(value: Any, most: int) -> list[Any]:
    if type(value) in (list, tuple):
        return list(value[:most])
    if isinstance(value, (list, tuple, set, frozenset)):
        return steady(cast("set[Any]", value))[:most]
    if isinstance(value, dict):
        return steady(cast("dict[Any, Any]", value).values())[:most]
    kind = cast("Any", type(value))
    if hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__pydantic_validator__"):
        return steady(getattr(value, "__dict__", {}).values())[:most]
    return []


def _is_shared(type_: type, value: Any) -> bool:
    return (
        value is None
        or type_ is bool
        or (type_ is int and -6 < value < 257)
        or (type_ in (str, bytes, tuple, frozenset) and len(value) < 2)
    )
