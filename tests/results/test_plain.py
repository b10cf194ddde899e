"""A value is plain if msgpack gives back exactly what went in."""

from __future__ import annotations

import collections
import datetime
import enum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.results.plain import decode, plain_payload, plain_weight

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(), st.binary())
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(scalars.filter(lambda key: key == key), inner),
    max_leaves=30,
)


def same(one: Any, other: Any) -> bool:
    """Compare with types and the order of dicts; NaN equals itself."""
    return repr(one) == repr(other) and type(one) is type(other)


@given(plain)
def test_what_is_plain_comes_back_exactly(value: Any) -> None:
    payload = plain_payload(value)
    assert payload is not None
    assert same(decode(payload), value)


class Text(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [
        (1,),
        {1},
        frozenset(),
        Text("a"),
        Point(1),
        Number.ONE,
        1j,
        bytearray(b"a"),
        datetime.date(2026, 1, 31),
        object(),
        collections.OrderedDict(a=1),
        collections.Counter("a"),
        2**64,
        -(2**63) - 1,
        "\ud800",
    ],
)
def test_what_would_come_back_as_something_else_is_not_plain(value: Any) -> None:
    assert plain_payload(value) is None
    assert plain_payload([1, value]) is None
    assert plain_payload([[{"a": [value]}]]) is None
    assert plain_payload({"a": 1, "b": value}) is None


@pytest.mark.parametrize("key", [(1,), Text("a"), frozenset(), 2**64, Number.ONE])
def test_keys_must_be_plain_too(key: Any) -> None:
    assert plain_payload({key: 1}) is None
    assert plain_payload([{"a": {key: 1}}]) is None


def test_cycles_and_deep_nests_are_not_plain() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert plain_payload(cycle) is None
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    assert plain_payload(deep) is None


def test_a_value_over_the_limit_is_given_up_before_it_is_encoded() -> None:
    shared: Any = ["x" * 100]
    for _ in range(60):  # 2**60 texts, as msgpack would write it
        shared = [shared, shared]
    assert plain_payload(shared, 10_000) is None
    assert plain_payload(["x" * 101], 100) is None
    assert plain_payload(["é" * 60], 100) is None
    assert plain_payload([1] * 101, 100) is None
    assert plain_payload("x" * 101, 100) is None
    assert plain_payload(["x" * 90], 100) is not None


@given(plain, st.integers(0, 200))
def test_the_weight_is_never_more_than_the_bytes(value: Any, limit: int) -> None:
    if type(value) in (list, dict):
        payload = plain_payload(value)
        assert payload is not None
        assert 0 <= plain_weight(value) <= len(payload)
        assert (plain_payload(value, limit) is not None) == (len(payload) <= limit)
