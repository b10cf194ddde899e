"""Which objects are results of which task runs: so that passing one on by hand links two runs."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from dalsegno._engine.inputs import steady

_MOST = 4096
_LARGE = 65536
_LOOKED_AT = 1000
# One reference is the table's own, one the argument of getrefcount, one the local variable.
_UNUSED = 3


class ValueLinks:
    """Remembers results by identity, as long as that costs no memory that user code does not hold anyway.

    Values that Python shares (None, booleans, small numbers, single characters) are nobody's.
    """

    __slots__ = ("entries", "_large")

    def __init__(self) -> None:
        self.entries: dict[int, tuple[Any, bool, bytes, bytes]] = {}
        self._large: list[int] = []

    def note(self, value: Any, run_id: bytes, execution_id: bytes, size: int) -> None:
        """Remember that `value`, of about `size` bytes, is the result of an execution."""
        type_: type = type(value)  # pyright: ignore[reportUnknownVariableType]
        if (
            value is None
            or type_ is bool
            or (type_ is int and -6 < value < 257)
            or (type_ in (str, bytes, tuple, frozenset) and len(value) < 2)
        ):
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

    def find(self, value: Any) -> tuple[bytes, bytes] | None:
        """Return (task run id, execution id) of the run whose result this very object is."""
        entry = self.entries.get(id(value))
        if entry is None:
            return None
        kept, weak, run_id, execution_id = entry
        if (kept() if weak else kept) is not value:
            return None
        return run_id, execution_id

    def find_in(self, collection: Any) -> list[bytes]:
        """Return the task runs whose results are items of a collection (of a dict its values), each once.

        Only the first items are looked at, and only one level deep: this draws the graph, it does not decide.
        """
        items: Any = collection.values() if hasattr(collection, "values") else collection
        first: list[Any] = steady(items[:_LOOKED_AT] if type(items) in (list, tuple) else items)[:_LOOKED_AT]
        found = [self.find(item) for item in first]
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
