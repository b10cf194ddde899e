"""Arrays as PostgreSQL's binary protocol wants them: a column of a batch is one value of a statement.

Ours, for a driver's arrays cost a Python call for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from struct import Struct, pack
from typing import Any, cast

_NULL = b"\xff\xff\xff\xff"
_HEAD = Struct(">iiIii").pack
_length = Struct(">i").pack

BYTEA, BIGINT, TEXT, DOUBLE = 17, 20, 25, 701
"""Object identifiers of the types of elements; the same in every PostgreSQL."""


class Array(bytes):
    """An array in the binary form."""

    __slots__ = ()
    oid = 0


class ByteaArray(Array):
    """Of bytes."""

    __slots__ = ()
    oid = 1001


class BigintArray(Array):
    """Of whole numbers."""

    __slots__ = ()
    oid = 1016


class TextArray(Array):
    """Of texts."""

    __slots__ = ()
    oid = 1009


class DoubleArray(Array):
    """Of floats."""

    __slots__ = ()
    oid = 1022


def bytea_array(values: Sequence[bytes | None]) -> ByteaArray:
    """Return bytes, some of which may be missing."""
    return ByteaArray(_joined(BYTEA, values))


def text_array(values: Sequence[str | None]) -> TextArray:
    """Return texts; what PostgreSQL cannot keep in them is written out."""
    return TextArray(_joined(TEXT, [None if value is None else text_bytes(value) for value in values]))


def bigint_array(values: Sequence[int | None]) -> BigintArray:
    """Return whole numbers, some of which may be missing."""
    return BigintArray(_numbers(BIGINT, "q", values))


def double_array(values: Sequence[float | None]) -> DoubleArray:
    """Return floats, some of which may be missing."""
    return DoubleArray(_numbers(DOUBLE, "d", values))


def text_bytes(value: str) -> bytes:
    """Return a text as UTF-8, with lone surrogates and NUL written out."""
    try:
        data = value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "backslashreplace")
    return data.replace(b"\0", b"\\x00") if b"\0" in data else data


Maker = Callable[[Sequence[Any]], Array]

MAKERS: dict[str, Maker] = {"b": bytea_array, "i": bigint_array, "t": text_array, "f": double_array}
"""What makes the array of a column, by the letters of `dalsegno._store.statements.RowStatement.types`."""


def _head(oid: int, count: int, *, nulls: bool) -> bytes:
    return _HEAD(1, nulls, oid, count, 1)


def _joined(oid: int, values: Sequence[bytes | None]) -> bytes:
    parts: list[bytes] = [b""] * (2 * len(values))
    nulls = None in values
    if nulls:
        parts[::2] = [_NULL if value is None else _length(len(value)) for value in values]
        parts[1::2] = [value or b"" for value in values]
    else:
        there = cast("Sequence[bytes]", values)
        parts[::2] = [*map(_length, map(len, there))]
        parts[1::2] = there
    return _head(oid, len(values), nulls=nulls) + b"".join(parts)


def _numbers(oid: int, code: str, values: Sequence[float | None]) -> bytes:
    if None in values:
        one = Struct(f">i{code}").pack
        return _head(oid, len(values), nulls=True) + b"".join(
            _NULL if value is None else one(8, value) for value in values
        )
    flat: list[Any] = [8] * (2 * len(values))
    flat[1::2] = values
    return _head(oid, len(values), nulls=False) + pack(f">{''.join(repeat(f'i{code}', len(values)))}", *flat)
