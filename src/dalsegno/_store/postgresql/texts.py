"""Statements as they stand in the store, turned into PostgreSQL's: `?` and `:name` become `$1`, `$2` and so on."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

from dalsegno._store.connection import Values
from dalsegno._store.postgresql.arrays import text_bytes

_MARK = re.compile(r"\?|(?<![:\w]):([a-z_]+)|'[^']*'")


@lru_cache(maxsize=4096)
def translate(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement with numbered values, and their names where they have names."""
    names: list[str] = []
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        if match[0].startswith("'"):
            return match[0]
        name = match[1]
        if name is None:
            count += 1
            return f"${count}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _MARK.sub(number, text), tuple(names)


def in_order(values: Values, names: tuple[str, ...]) -> list[Any] | tuple[Any, ...]:
    """Return values in the order of their numbers."""
    if names:
        by_name = cast("dict[str, Any]", values)
        return [by_name[name] for name in names]
    return cast("list[Any]", values)


def storable_texts(values: list[Any] | tuple[Any, ...]) -> list[Any]:
    """Return values with what PostgreSQL cannot keep in a text written out: lone surrogates and NUL."""
    return [text_bytes(value).decode() if isinstance(value, str) else value for value in values]
