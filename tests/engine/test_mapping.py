"""A mapped call becomes one call for each item, and says so when its iterables do not go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st
from pydantic import BaseModel

from dalsegno._engine.annotations import allow_failure, flatten, opaque, quote, unmapped
from dalsegno._engine.calls import compile_call
from dalsegno._engine.mapping import expand
from dalsegno.exceptions import MappingLengthMismatch, MappingMissingIterable


def revenue(country, orders=(1, 2), *rest, limit=10, **more): ...


PLAN = compile_call(revenue)


def children(*args: Any, lazy: bool = False, **kwargs: Any) -> list[dict[str, Any]]:
    return list(expand(PLAN, PLAN.bind_given(args, kwargs), lazy=lazy))


def column(name: str, *args: Any, **kwargs: Any) -> list[Any]:
    return [child[name] for child in children(*args, **kwargs)]


def child(country: Any, orders: Any = (1, 2), rest: Any = (), limit: Any = 10, **more: Any) -> dict[str, Any]:
    return {"country": country, "orders": orders, "rest": rest, "limit": limit, "more": more}


def test_iterables_are_zipped_and_defaults_are_not_mapped() -> None:
    assert children(["de", "fr"], [5, 6]) == [child("de", 5), child("fr", 6)]
    assert children(["de", "fr"]) == [child("de"), child("fr")]


def test_what_is_not_iterable_is_the_same_for_all() -> None:
    same = object()
    assert children([1, 2], same, limit="abc", raw=b"xy") == [
        child(1, same, limit="abc", raw=b"xy"),
        child(2, same, limit="abc", raw=b"xy"),
    ]


@pytest.mark.parametrize(
    "items", [{"a": 1, "b": 2}, ("a", "b"), iter("ab"), (c for c in "ab"), {"a": 1, "b": 1}.keys()]
)
def test_any_iterable_is_mapped_and_a_dict_by_its_keys(items: Any) -> None:
    assert column("country", items) == ["a", "b"]


def test_sets_and_ranges_are_mapped() -> None:
    assert sorted(column("country", {1, 2, 3})) == [1, 2, 3]
    assert column("country", range(3)) == [0, 1, 2]


def test_a_model_is_one_value() -> None:
    class Config(BaseModel):
        a: int = 1

    config = Config()
    assert children([1], config) == [child(1, config)]


def test_unmapped_keeps_a_list_whole() -> None:
    orders = [1, 2, 3]
    made = children(["de", "fr"], unmapped(orders))
    assert [made[0]["orders"], made[1]["orders"]] == [orders, orders]
    assert made[0]["orders"] is orders


def test_each_argument_of_a_variadic_parameter_is_mapped_by_itself() -> None:
    made = children("de", 0, [1, 2], "x", unmapped([9]), rate=[3, 4], name="n", keep=unmapped([5]))
    assert made == [
        child("de", 0, (1, "x", [9]), rate=3, name="n", keep=[5]),
        child("de", 0, (2, "x", [9]), rate=4, name="n", keep=[5]),
    ]


def test_flatten_gives_a_child_to_each_inner_item() -> None:
    assert column("country", flatten([["a", "b"], [], ("c",)])) == ["a", "b", "c"]
    assert column("country", flatten(iter([range(2), [5]])), lazy=True) == [0, 1, 5]


@pytest.mark.parametrize("mark", [quote, allow_failure, opaque])
def test_a_mark_around_a_list_is_one_around_each_item(mark: Any) -> None:
    assert column("country", mark([1, 2])) == [mark(1), mark(2)]
    assert column("country", mark(iter([1]))) == [mark(1)]


def test_a_mark_around_what_is_not_iterable_stays() -> None:
    assert children([1], allow_failure(5)) == [child(1, allow_failure(5))]


def test_marked_items_keep_their_marks() -> None:
    assert column("country", [allow_failure(1), quote(2)]) == [allow_failure(1), quote(2)]


def test_different_lengths_are_told_by_name() -> None:
    with pytest.raises(MappingLengthMismatch) as caught:
        expand(PLAN, PLAN.bind_given(([1, 2], [1, 2, 3], iter([1])), {"rate": [1]}))
    assert "'revenue'" in str(caught.value)
    assert "(country: 2, orders: 3, rest[0]: 1, rate: 1)" in str(caught.value)


def test_a_list_of_one_is_not_spread() -> None:
    with pytest.raises(MappingLengthMismatch):
        expand(PLAN, {"country": [1], "orders": [1, 2]})


def test_without_an_iterable_there_is_nothing_to_map() -> None:
    with pytest.raises(MappingMissingIterable, match="'revenue' can be iterated"):
        expand(PLAN, {"country": "de", "orders": unmapped([1])})


def test_empty_iterables_give_no_children() -> None:
    made = expand(PLAN, {"country": [], "orders": []})
    assert made.length == 0
    assert list(made) == []


def test_the_number_of_children_is_known_where_it_can_be() -> None:
    assert expand(PLAN, {"country": iter([1, 2])}).length == 2
    assert expand(PLAN, {"country": iter([1, 2]), "orders": [1, 2]}, lazy=True).length is None
    assert expand(PLAN, {"country": [1, 2]}, lazy=True).length == 2


def test_lazily_an_item_is_taken_when_its_child_is_asked_for() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    made = iter(expand(PLAN, {"country": endless(), "orders": 7}, lazy=True))
    assert taken == []
    assert [next(made)["country"], next(made)["country"]] == [0, 1]
    assert taken == [0, 1]


def test_lazily_a_difference_in_length_is_told_when_it_is_met() -> None:
    made = iter(expand(PLAN, {"country": iter([1, 2]), "orders": iter([1])}, lazy=True))
    assert next(made) == child(1, 1)
    with pytest.raises(MappingLengthMismatch, match=r"\(country: more than 1, orders: 1\)"):
        next(made)


def test_lazily_known_lengths_are_compared_at_once() -> None:
    with pytest.raises(MappingLengthMismatch):
        expand(PLAN, {"country": [1, 2], "orders": [1]}, lazy=True)


@given_by(st.lists(st.tuples(st.integers(), st.text()), max_size=20), st.booleans())
def test_mapping_is_a_zip(rows: list[tuple[int, str]], lazy: bool) -> None:
    countries, orders = [row[0] for row in rows], [row[1] for row in rows]
    made = expand(PLAN, {"country": iter(countries), "orders": orders, "limit": 3}, lazy=lazy)
    assert list(made) == [child(country, order, limit=3) for country, order in rows]
