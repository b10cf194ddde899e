"""Equal arguments have equal fingerprints, in any process; different ones have different ones."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import json
import os
import pickle
import random
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dalsegno._engine.fingerprint import Fingerprint, fingerprint

CAP = 4096


def nobody(value: Any) -> bytes | None:
    return None


def taken(cap: int = 256 * 1024, **parameters: Any) -> Fingerprint:
    return fingerprint(parameters, nobody, cap)


def digest(value: Any) -> bytes:
    made = taken(x=value)
    assert made.digest is not None, made.reason
    assert len(made.digest) == 16
    return made.digest


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    id: int
    lines: list[str] = field(default_factory=list)


@dataclass
class Refund:
    id: int
    lines: list[str] = field(default_factory=list)


class Customer(BaseModel):
    name: str
    tags: set[str] = set()


class Row(msgspec.Struct):
    a: int


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def add_one(x: int) -> int:
    return x + 1


def adder(n: int) -> Any:
    return lambda x: x + n


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.text(st.characters(categories=["Cs", "L"]), max_size=3),
    st.binary(),
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=5
)
values = st.recursive(
    hashables,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashables, inner, max_size=4),
        st.dictionaries(st.text(), inner, max_size=4),
        st.sets(hashables, max_size=4),
        st.builds(lambda inner: Order(1, inner), st.lists(inner, max_size=3)),
    ),
    max_leaves=12,
)


def exactly_equal(one: Any, other: Any) -> bool:
    """Compare as the fingerprint does: by type too, floats by their bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(exactly_equal, one, other))
    if isinstance(one, set | frozenset | dict):
        pairs = list(other.items()) if isinstance(one, dict) else list(other)
        mine = list(one.items()) if isinstance(one, dict) else list(one)
        return len(mine) == len(pairs) and all(any(exactly_equal(a, b) for b in pairs) for a in mine)
    if isinstance(one, Order):
        return exactly_equal(vars(one), vars(other))
    return bool(one == other)


@given(values)
def test_a_pickled_copy_has_the_same_fingerprint(value: Any) -> None:
    assert taken(x=value) == taken(x=pickle.loads(pickle.dumps(value)))


@given(values, values)
def test_fingerprints_are_the_same_only_of_equal_values(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == exactly_equal(one, other)


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), st.lists, max_leaves=10))
def test_msgpack_and_json_copies_have_the_same_fingerprint(value: Any) -> None:
    assert digest(value) == digest(msgspec.msgpack.decode(msgspec.msgpack.encode(value)))
    assert digest(value) == digest(json.loads(json.dumps(value)))


@given(st.dictionaries(st.text() | st.integers(), values, max_size=6), st.randoms())
def test_the_order_of_dicts_and_arguments_does_not_count(value: dict[Any, Any], shuffler: random.Random) -> None:
    items = list(value.items())
    shuffler.shuffle(items)
    assert digest(value) == digest(dict(items))
    named = {str(name): each for name, each in items}
    assert fingerprint(named, nobody) == fingerprint(dict(reversed(named.items())), nobody)


@given(st.lists(st.integers() | st.text(), unique=True))
def test_the_order_of_sets_does_not_count(members: list[Any]) -> None:
    assert digest(set(members)) == digest({*members[::-1]})


@pytest.mark.parametrize(
    "different",
    [
        [1, 1.0, True, "1", b"1", (1,), [1], {1}, frozenset({1}), {1: 1}, Colour.RED, Access.READ],
        [0, 0.0, False, "", b"", None, (), [], {}, set(), frozenset(), -0.0],
        [(1, 2), [1, 2], Point(1, 2), {1, 2}, collections.deque([1, 2]), np.array([1, 2]), range(1, 3)],
        [2**63 - 1, 2**63, 2**64, 2**64 + 1, -(2**63), -(2**64), str(2**64), hex(2**64)],
        [
            {"a": 1},
            {"a": 1.0},
            {"b": 1},
            {1: "a"},
            [("a", 1)],
            collections.OrderedDict(a=1),
            collections.Counter("a"),
        ],
        [[[1], 2], [1, [2]], [[1, 2]], [1, 2], [[], 1, 2]],
        ["\ud800", "\ud801", "?", b"\xed\xa0\x80"],
        [Order(1), Order(2), Order(1, ["x"]), Refund(1), {"id": 1, "lines": []}],
        [Customer(name="a"), Customer(name="b"), Customer(name="a", tags={"x"}), Row(1), Row(2), {"a": 1}],
        [decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1), 1 + 0j, 1.0],
        [
            datetime.date(2026, 1, 31),
            datetime.datetime(2026, 1, 31),
            datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC),
            datetime.time(1),
            datetime.timedelta(1),
            "2026-01-31",
        ],
        [
            Path("a/b"),
            Path("a/c"),
            "a/b",
            uuid.UUID(int=1),
            uuid.UUID(int=2),
            re.compile("a"),
            re.compile("a", re.I),
        ],
        [
            add_one,
            digest,
            adder(1),
            adder(2),
            len,
            print,
            functools.partial(add_one, 1),
            functools.partial(add_one, 2),
        ],
        [Order, Refund, int, Colour, type],
        [Plain(a=1), Plain(a=2), Plain(a=Plain(a=1)), Plain(), object()],
        [bytearray(b"a"), memoryview(b"a"), b"a", "a"],
        [
            ValueError("a"),
            ValueError("b"),
            KeyError("a"),
            [].append,
            [1].append,
            slice(1, 2),
            slice(1, 3),
            ...,
            json,
        ],
    ],
)
def test_what_differs_in_type_or_content_has_another_fingerprint(different: list[Any]) -> None:
    digests = [digest(value) for value in different]
    assert len(set(digests)) == len(different)
    assert digests == [digest(value) for value in different]


def test_the_names_of_arguments_count() -> None:
    assert taken(x=1).digest != taken(y=1).digest
    assert taken(x=(1,)).digest != taken(y=(1,)).digest
    assert taken(a=(1,), b=(2,)).digest != taken(a=(2,), b=(1,)).digest
    assert taken().digest != taken(a=None).digest


def test_functions_inside_of_functions_count_with_what_they_hold() -> None:
    assert digest(adder(1)) == digest(adder(1))
    assert digest(adder([1])) != digest(adder([2]))


def test_paths_count_by_what_they_name() -> None:
    assert digest(Path("a", "b")) == digest(Path("a/b")) == digest(Path("a//b"))


def test_an_object_held_twice_is_the_same_as_two_equal_objects() -> None:
    shared = [1, "a"]
    assert digest([shared, shared]) == digest([[1, "a"], [1, "a"]])
    text = "".join(["ab", "c"])
    assert digest([text, text]) == digest(["abc", "ab" + "c"])


# --- another process


def samples() -> list[Any]:
    frame = pd.DataFrame({"a": [1, 2], "s": ["x", None], "c": pd.Categorical(["u", "v"])})
    return [
        {"b": 1, "a": {"z", "y", "x", "w"}},
        frozenset({("a", 1), ("b", 2)}),
        {("a", 1): "x", 3: None, "c": [1.5, b"q"]},
        Order(1, ["x"]),
        Customer(name="a", tags={"p", "q", "r"}),
        Colour.BLUE,
        decimal.Decimal("1.10"),
        datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC),
        collections.Counter("hello"),
        Path("a/b"),
        frame,
        np.arange(6).reshape(2, 3),
        add_one,
        adder(3),
        Order,
        Plain(lock=threading.Lock(), x=1),
    ]


_PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(sys.argv[1], sys.argv[2])
module = importlib.util.module_from_spec(spec)
sys.modules[sys.argv[1]] = module
spec.loader.exec_module(module)
print("".join(module.digest(value).hex() + "\\n" for value in module.samples()), end="")
"""


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_another_process_with_another_hash_seed_gives_the_same(seed: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", _PROGRAM, __name__, __file__],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [digest(value).hex() for value in samples()]


def test_a_script_gives_the_same_as_when_it_is_loaded_under_its_own_name(tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text(
        "from dataclasses import dataclass\n"
        "from dalsegno._engine.fingerprint import fingerprint\n"
        "@dataclass\n"
        "class Order:\n    id: int = 1\n"
        "def helper(): return 1\n"
        "values = {'a': Order(), 'b': helper, 'c': Order, 'd': lambda: 2}\n"
        "print(fingerprint(values, lambda value: None).digest.hex())\n"
    )
    ways = [[str(script)], ["-m", "nightly"], ["-c", "import nightly"]]
    shown = {
        subprocess.run([sys.executable, *way], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for way in ways
    }
    assert len(shown) == 1


# --- size and origin


class Big:
    """A value that is known to be a result of ours."""

    def __init__(self, size: int) -> None:
        self.data = b"x" * size


@pytest.mark.parametrize(
    "value",
    [
        "x" * (CAP + 1),
        b"x" * (CAP + 1),
        list(range(CAP + 1)),
        [["x" * 100] * 10] * 10,
        {str(n): n for n in range(CAP)},
        {n: n for n in range(CAP)},
        tuple(range(CAP + 1)),
        set(range(CAP + 1)),
        np.zeros(CAP),
        pd.DataFrame({"a": np.zeros(CAP)}),
        pd.Series(["abc"] * CAP),
        bytearray(CAP + 1),
        Big(CAP),
        [Big(CAP)],
        [Order(n, ["x"]) for n in range(CAP)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_argument_counts_by_its_origin_or_is_never_matched(value: Any) -> None:
    unknown = fingerprint({"frame": value}, nobody, CAP)
    assert unknown == Fingerprint(None, "argument 'frame' is larger than 4 KiB and is nobody's result", False)

    first = fingerprint({"frame": value}, lambda each: b"run-1" if each is value else None, CAP)
    copy = pickle.loads(pickle.dumps(value))
    again = fingerprint({"frame": copy}, lambda each: b"run-1" if each is copy else None, CAP)
    other = fingerprint({"frame": value}, lambda each: b"run-2" if each is value else None, CAP)
    assert first.digest is not None
    assert first.by_identity
    assert first.digest == again.digest
    assert first.digest != other.digest


def test_a_small_argument_counts_by_content_even_if_its_origin_is_known() -> None:
    found = fingerprint({"rows": [1, (2,)]}, lambda value: b"run-1", CAP)
    assert found == fingerprint({"rows": [1, (2,)]}, nobody, CAP)
    assert not found.by_identity


def test_each_argument_has_the_cap_for_itself() -> None:
    half = "x" * (CAP * 2 // 3)
    assert fingerprint({"a": half, "b": half}, nobody, CAP).digest is not None
    assert fingerprint({"a": [half, half]}, nobody, CAP).digest is None


def test_large_parts_count_by_their_origin_within_an_argument() -> None:
    large = Big(CAP)
    found = fingerprint({"x": [1, {"y": large}]}, lambda value: b"run-1" if value is large else None, CAP)
    assert found.digest is not None
    assert found.by_identity
    assert found.digest != fingerprint({"x": [2, {"y": large}]}, lambda value: b"run-1", CAP).digest


def test_a_large_object_is_given_up_before_it_is_copied() -> None:
    class Counting(bytes):
        copies = 0

        def __reduce_ex__(self, protocol: Any) -> Any:
            Counting.copies += 1
            return super().__reduce_ex__(protocol)

        nbytes = 10**12

    assert fingerprint({"x": Counting()}, nobody, CAP).digest is None
    assert Counting.copies == 0


# --- our own objects


def future_class() -> type:
    return type("Future", (), {"__module__": "dalsegno.futures"})


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: value,
        lambda value: [1, value],
        lambda value: (value,),
        lambda value: {"a": value},
        lambda value: {value},
        lambda value: Order(1, [value]),
        lambda value: {"a": [Plain(x=(value,))]},
    ],
)
def test_futures_count_as_the_execution_that_they_stand_for_at_any_depth(wrap: Any) -> None:
    one, other = future_class()(), future_class()()
    ids = {id(one): b"run-1", id(other): b"run-2"}

    def identity(value: Any) -> bytes | None:
        return ids.get(id(value))

    found = fingerprint({"x": wrap(one)}, identity)
    assert found.digest is not None
    assert not found.by_identity
    assert found == fingerprint({"x": wrap(one)}, identity)
    assert found.digest != fingerprint({"x": wrap(other)}, identity).digest


def test_a_list_of_futures_may_have_any_length() -> None:
    kind = future_class()
    futures = [kind() for _ in range(CAP + 1)]
    found = fingerprint({"x": futures}, lambda value: b"%d" % id(value) if type(value) is kind else None, CAP)
    assert found.digest is not None
    assert not found.by_identity


# --- what has no content


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        lambda: sqlite3.connect(":memory:"),
        socket.socket,
        lambda: (n for n in range(3)),
        lambda: Plain(lock=threading.Lock()),
        lambda: Plain(inner=Plain(deep=[threading.Lock()])),
    ],
)
def test_what_cannot_be_serialized_counts_by_its_type(make: Any) -> None:
    one, other = make(), make()
    assert digest(one) == digest(other)
    assert digest([one, 1]) == digest([other, 1])
    assert digest([one, 1]) != digest([one, 2])
    assert digest(one) != digest(object())
    for each in (one, other):
        if hasattr(each, "close"):
            each.close()


def test_counters_within_a_client_do_not_count_but_fields_beside_it_do() -> None:
    client, used = Plain(lock=threading.Lock(), requests=0), Plain(lock=threading.Lock(), requests=7)
    assert digest(client) == digest(used)
    assert digest(Order(1, [client])) == digest(Order(1, [used]))  # type: ignore[list-item]
    assert digest(Order(1, [client])) != digest(Order(2, [client]))  # type: ignore[list-item]


# --- shapes that are hard


def test_cycles_come_to_an_end() -> None:
    def cycle(number: int) -> Any:
        looped: list[Any] = [number]
        looped.append({"back": looped})
        return looped

    assert digest(cycle(1)) == digest(cycle(1))
    assert digest(cycle(1)) != digest(cycle(2))
    node = Plain(name="a")
    node.self = node
    assert digest(node) == digest(node)


def test_what_is_nested_too_deeply_is_never_matched() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert taken(x=deep) == Fingerprint(None, "argument 'x' is nested too deeply", False)
    while deep:  # taken apart level by level, or freeing it is deep as well
        deep = deep[0]


def test_a_tree_of_shared_parts_does_not_explode() -> None:
    shared: Any = (1,)
    for _ in range(60):
        shared = (shared, shared)
    assert fingerprint({"x": shared}, nobody, CAP).digest is None


# --- arrays and frames


def test_arrays_count_by_type_shape_and_content_wherever_they_lie() -> None:
    array = np.arange(6, dtype="i4").reshape(2, 3)
    same = [array.copy(), np.asfortranarray(array), np.arange(12, dtype="i4").reshape(2, 6)[:, ::2] // 2]
    assert np.array_equal(same[2], array)
    assert {digest(each) for each in same} == {digest(array)}
    others = [array.astype("i8"), array.astype("f4"), array.T, array.ravel(), array + 1, array.astype(">i4")]
    assert digest(array) not in {digest(each) for each in others}
    assert digest(np.float64(1)) != digest(np.float32(1)) != digest(1.0)
    assert digest(np.array([1, "a"], dtype=object)) != digest(np.array([1, "b"], dtype=object))


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "s": ["x", "y", None],
            "o": pd.Series([1, "a", None], dtype=object),
            "t": pd.date_range("2026", periods=3, tz="Europe/Berlin"),
            "c": pd.Categorical(["a", "b", "a"]),
            "n": pd.array([1, None, 3], dtype="Int64"),
        }
    )


def test_frames_count_by_content_however_they_were_put_together() -> None:
    whole = frame()
    pieces = pd.DataFrame({"i": [1, 2, 3]})
    for name in whole.columns[1:]:
        pieces[name] = whole[name]
    assert digest(whole) == digest(pieces) == digest(pickle.loads(pickle.dumps(whole))) == digest(whole.copy())


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(i=[1, 2, 4]),
        lambda f: f.assign(i=f["i"].astype("int32")),
        lambda f: f.assign(s=["x", "z", None]),
        lambda f: f.assign(n=pd.array([1, 2, 3], dtype="Int64")),
        lambda f: f.assign(t=f["t"] + pd.Timedelta("1s")),
        lambda f: f.assign(t=f["t"].dt.tz_convert("UTC")),
        lambda f: f.assign(c=f["c"].cat.add_categories("z")),
        lambda f: f.rename(columns={"i": "j"}),
        lambda f: f[["s", "i", "o", "t", "c", "n"]],
        lambda f: f.set_index("s"),
        lambda f: f.iloc[:2],
        lambda f: f["i"],
    ],
)
def test_any_change_of_a_frame_counts(change: Any) -> None:
    assert digest(frame()) != digest(change(frame()))


def test_indexes_count() -> None:
    two = frame().set_index(["i", "s"])
    assert digest(two) == digest(frame().set_index(["i", "s"]))
    assert digest(two) != digest(frame().set_index(["s", "i"]))
    assert digest(pd.Index([1, 2])) != digest(pd.Index([1, 3])) != digest(pd.Index([1, 3], name="x"))
