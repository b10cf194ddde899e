"""Futures and States are found wherever they may be, and only there; what holds none stays the same."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from dalsegno._engine.annotations import allow_failure, flatten, opaque, quote, unmapped
from dalsegno._engine.inputs import (
    Found,
    find_inputs,
    replace_inputs,
    replace_parameters,
    scan_inputs,
)


class Input:
    """Stands for a future whose result is `result`."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __repr__(self) -> str:
        return f"Input({self.result!r})"


def is_input(value: Any) -> bool:
    return isinstance(value, Input)


def result_of(item: Input, allowed: bool) -> Any:
    return item.result


def resolved(value: Any) -> Any:
    return replace_inputs(value, is_input, result_of)


def items_in(value: Any) -> list[Any]:
    return [found.item for found in find_inputs({"x": value}, is_input)]


@dataclass
class Plain:
    a: Any
    b: Any = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: Any = field(default=2, compare=False)


class Pair(NamedTuple):
    left: Any
    right: Any


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")
    a: Any
    b: Any = None


scalars = st.integers() | st.text(max_size=3) | st.none() | st.booleans()
leaves = scalars | st.builds(Input, scalars) | st.builds(Input, st.lists(scalars, max_size=2))


def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
        st.builds(Plain, inner, inner),
        st.builds(Frozen, inner),
        st.builds(Pair, inner, inner),
        st.builds(Model, a=inner, c=inner),
        st.builds(allow_failure, inner),
        st.builds(unmapped, inner),
        st.builds(opaque, inner),
        st.builds(quote, inner),
    )


structures = st.recursive(leaves, nest, max_leaves=20)


def expected_inputs(value: Any, allowed: bool = False) -> list[tuple[Any, bool]]:
    """The same search, as slow and plain as can be."""
    match value:
        case Input():
            return [(value, allowed)]
        case quote():
            return []
        case allow_failure():
            return expected_inputs(value.value, True)
        case unmapped() | opaque():
            return expected_inputs(value.value, allowed)
        case dict():
            inner = list(value.values())
        case list() | tuple():
            inner = list(value)
        case Plain() | Frozen():
            inner = [value.a, value.b]
        case Model():
            inner = [value.a, value.b, value.c]
        case _:
            inner = []
    return [found for item in inner for found in expected_inputs(item, allowed)]


def expected_value(value: Any) -> Any:
    match value:
        case Input():
            return value.result
        case quote():
            return value.value
        case allow_failure() | unmapped() | opaque():
            return expected_value(value.value)
        case dict():
            return {key: expected_value(item) for key, item in value.items()}
        case Pair():
            return Pair(*map(expected_value, value))
        case list() | tuple():
            return type(value)(map(expected_value, value))
        case Plain() | Frozen():
            return type(value)(expected_value(value.a), expected_value(value.b))
        case Model():
            return Model(a=expected_value(value.a), b=value.b, c=expected_value(value.c))
        case _:
            return value


@given(structures)
def test_each_input_is_found_at_any_depth_with_its_mark(value: Any) -> None:
    found = {(id(f.item), f.allow_failure) for f in find_inputs({"x": value}, is_input)}
    assert found == {(id(item), allowed) for item, allowed in expected_inputs(value)}


@given(structures)
def test_results_stand_where_the_inputs_were(value: Any) -> None:
    before = repr(value)
    assert resolved(value) == expected_value(value)
    assert repr(value) == before


@given(structures)
def test_what_holds_nothing_to_replace_stays_the_same_object(value: Any) -> None:
    once = resolved(value)
    if not find_inputs({"x": once}, is_input) and scan_inputs({"x": once}, is_input) is None:
        assert resolved(once) is once


def test_an_untouched_part_of_a_copied_structure_is_the_same_object() -> None:
    rows, options = [{"a": 1}], {"deep": [object()]}
    new = resolved({"rows": rows, "options": options, "day": Input("monday")})
    assert new == {"rows": rows, "options": options, "day": "monday"}
    assert new["rows"] is rows
    assert new["options"] is options


def test_found_inputs_carry_the_name_of_their_parameter() -> None:
    one, two = Input(1), Input(2)
    found = find_inputs({"a": 5, "b": [one], "c": allow_failure({"k": (two, one)})}, is_input)
    assert found == [Found(one, False, "b"), Found(two, True, "c"), Found(one, True, "c")]


def test_one_input_in_two_parameters_is_found_in_both() -> None:
    shared = [Input(1)]
    assert [f.parameter for f in find_inputs({"a": shared, "b": shared}, is_input)] == ["a", "b"]


def test_sets_are_looked_into() -> None:
    assert resolved({Input(1), 2}) == {1, 2}
    assert resolved(frozenset({Input(1)})) == frozenset({1})


def test_the_keys_of_a_dict_are_not_looked_at() -> None:
    key = Input(1)
    value = {key: 2}
    assert items_in(value) == []
    assert resolved(value) is value


def test_a_quoted_value_arrives_as_it_is() -> None:
    inner = [Input(1)]
    assert items_in(quote(inner)) == []
    assert resolved(quote(inner)) is inner
    assert resolved([quote(inner)])[0] is inner
    assert resolved(allow_failure(quote(inner))) is inner


def test_a_result_is_not_looked_into() -> None:
    inner = Input("never asked for")
    assert resolved([Input([inner])]) == [[inner]]
    assert resolved(opaque(Input(inner))) is inner


@pytest.mark.parametrize("mark", [unmapped, flatten, allow_failure, opaque])
def test_other_marks_are_taken_off(mark: Any) -> None:
    rows = [1, 2]
    assert resolved(mark(rows)) is rows
    assert resolved(mark([Input(3)])) == [3]


def test_resolve_is_told_whether_failure_is_allowed() -> None:
    asked: list[tuple[Any, bool]] = []
    item = Input(1)
    replace_inputs([item, allow_failure([item])], is_input, lambda *arguments: asked.append(arguments))
    assert asked == [(item, False), (item, True)]


def test_what_is_met_twice_is_copied_once() -> None:
    shared = [Input(1)]
    new = resolved([shared, shared])
    assert new == [[1], [1]]
    assert new[0] is new[1]


def test_a_structure_that_contains_itself_does_not_loop() -> None:
    plain: list[Any] = [object()]
    plain.append(plain)
    assert resolved(plain) is plain
    holder: dict[str, Any] = {"input": Input(1)}
    holder["self"] = holder
    assert items_in(holder) == [holder["input"]]
    new = resolved(holder)
    assert new["input"] == 1
    assert new["self"] is holder


def test_a_long_chain_of_objects_is_looked_through() -> None:
    chain: Any = Plain(None)
    for _ in range(5_000):
        chain = Plain(object(), chain)
    assert resolved(chain) is chain


def test_subclasses_keep_what_they_are() -> None:
    class Counted(dict[str, Any]):
        extra = None

    counted = Counted(a=Input(1))
    counted.extra = "kept"
    new = resolved(counted)
    assert type(new) is Counted
    assert (new, new.extra) == ({"a": 1}, "kept")
    grouped: defaultdict[str, Any] = defaultdict(list, a=Input(1))
    assert resolved(grouped)["missing"] == []
    assert resolved(OrderedDict(b=Input(2), a=1)) == OrderedDict(b=2, a=1)
    Point = namedtuple("Point", "x y")
    assert resolved(Point(Input(1), 2)) == Point(1, 2)

    class Futures(list[Any]): ...

    assert type(resolved(Futures([Input(1)]))) is list
    empty = Futures([1])
    assert resolved(empty) is empty


def test_a_dataclass_is_copied_without_running_its_constructor() -> None:
    @dataclass
    class Counts:
        made = 0
        a: Any
        derived: Any = field(init=False)

        def __post_init__(self) -> None:
            Counts.made += 1

    value = Counts(Input(1))
    new = resolved(value)
    assert (new.a, Counts.made) == (1, 1)
    assert isinstance(value.a, Input)


def test_foreign_objects_are_never_walked() -> None:
    class Frame:
        def __iter__(self) -> Any:
            raise AssertionError("walked")

        __len__ = __getitem__ = keys = values = __iter__

    frame = Frame()
    assert resolved([frame, {"frame": frame}]) == [frame, {"frame": frame}]
    assert items_in({"f": frame, "class": Plain, "generator": (Input(i) for i in range(3))}) == []


def test_ten_thousand_inputs_in_one_list_are_all_found() -> None:
    many = [Input(i) for i in range(10_000)]
    assert items_in(many) == many
    assert resolved(many) == list(range(10_000))
    more = [Input(i) for i in range(25_000)]
    assert resolved({"rows": [more]}) == {"rows": [list(range(25_000))]}


def test_of_a_large_collection_only_the_first_part_is_looked_at() -> None:
    hidden = Input(1)
    rows = [{"id": i} for i in range(10_000)] + [{"id": hidden}]
    assert items_in(rows) == []
    assert items_in({"rows": rows, "late": [hidden]}) == [hidden, hidden]
    assert items_in([hidden, *rows]) == [hidden, hidden]


def test_scalars_alone_need_no_look_at_all() -> None:
    def refuse(value: Any) -> bool:
        raise AssertionError(value)

    assert scan_inputs({"a": 1, "b": "x", "c": None, "d": [1, 2.0, "x"], "e": {"k": b""}}, refuse) is None


def test_parameters_without_inputs_are_handed_on() -> None:
    rows = [object()]
    parameters = {"rows": rows, "day": Input("monday"), "mark": unmapped(rows)}
    scan = scan_inputs(parameters, is_input)
    assert scan is not None
    assert scan.parameters == ("day", "mark")
    new = replace_parameters(parameters, scan, is_input, result_of)
    assert new == {"rows": rows, "day": "monday", "mark": rows}
    assert new["rows"] is new["mark"] is rows


def test_pydantic_is_not_imported() -> None:
    code = "import sys; import dalsegno._engine.inputs; assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
