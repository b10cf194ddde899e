"""Plain values: those that msgpack gives back exactly as they were, so that they need neither pickle nor
signature.
"""

from __future__ import annotations

from itertools import chain
from types import NoneType
from typing import Any, cast

import msgspec

SCALARS = frozenset({NoneType, bool, int, float, str, bytes})
"""The exact types of values that hold nothing else."""

CONTAINERS = frozenset({list, dict})
PLAIN = SCALARS | CONTAINERS
TEXTS = frozenset({str, bytes})

DEEPEST = 64
"""Levels of nesting up to which a value is taken for plain: far from any recursion limit, and no cycle
passes.
"""

NO_LIMIT = 1 << 62

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode


def plain_payload(value: Any, limit: int = NO_LIMIT) -> bytes | None:
    """Return `value` as msgpack if it comes back from that exactly the same, else None.

    That is so for None, bool, int of 64 bits, float, str, bytes, and lists and dicts of them, of exactly
    these types. A value that would take more than `limit` bytes is given up (None), and early if it holds
    many things.

    Example:
        >>> plain_payload([1, "a"])
        b'\\x92\\x01\\xa1a'
        >>> plain_payload((1, "a")) is None
        True
    """
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind not in SCALARS and (kind not in CONTAINERS or not 0 <= plain_weight(value, limit) <= limit):
        return None
    try:
        payload = encode(value)
    except (OverflowError, UnicodeEncodeError):  # a larger integer, a lone surrogate
        return None
    return payload if len(payload) <= limit else None


def plain_weight(value: list[Any] | dict[Any, Any], limit: int = NO_LIMIT) -> int:
    """Return a lower bound of the bytes that a list or dict takes as msgpack, or -1 if it is not plain.

    Counting ends as soon as the bound is over the limit, without a look at what remains. It goes level by
    level, so that the work is done by a few passes in C, however many small dicts there are.
    """
    level: list[Any] = [value]
    weight = 1
    for _ in range(DEEPEST):
        weight += sum(map(len, level))
        if weight > limit:
            return weight
        dicts: list[dict[Any, Any]] = [each for each in level if type(each) is dict]
        if dicts:
            keys = set(map(type, chain.from_iterable(dicts)))
            if not keys <= SCALARS:
                return -1
            level = [each for each in level if type(each) is list]
            level += cast("list[Any]", [each.values() for each in dicts])
        kinds = set(map(type, chain.from_iterable(level)))
        if not kinds <= PLAIN:
            return -1
        if limit != NO_LIMIT and not kinds.isdisjoint(TEXTS):
            weight += _text_length(level, kinds)
        if kinds <= SCALARS:
            return weight
        level = [each for each in chain.from_iterable(level) if type(each) is list or type(each) is dict]
    return -1


def _text_length(level: list[Any], kinds: set[type]) -> int:
    members = chain.from_iterable(level)
    if kinds <= TEXTS:
        return sum(map(len, members))
    return sum(len(each) for each in members if type(each) is str or type(each) is bytes)
