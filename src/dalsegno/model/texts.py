"""Texts that can be stored: what Python holds of a file name that is no UTF-8 (lone surrogates) is no Unicode text."""

from __future__ import annotations

from typing import Any, cast


def storable(value: Any) -> Any:
    """Return texts, also inside lists, tuples and dicts, with lone surrogates written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {storable(key): storable(item) for key, item in items}
    return value
