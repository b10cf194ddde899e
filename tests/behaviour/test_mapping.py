"""One run for each item: map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock, give

from dalsegno import State, flow, quote, task, unmapped
from dalsegno.exceptions import MappingLengthMismatch, MappingMissingIterable
from dalsegno.states import Completed, Failed


@task
def pair(first: Any, second: Any = None) -> Any:
    return [first, second]


def mapped(*args: Any, **kwargs: Any) -> list[Any]:
    """Map `pair` in a flow and give the results."""
    return flow(lambda: pair.map(*args, **kwargs).result())()


@pytest.mark.behaviour(48)
def test_iterables_are_gone_through_side_by_side_and_the_rest_is_the_same_for_all() -> None:
    assert mapped([1, 2], [3, 4]) == [[1, 3], [2, 4]]
    assert mapped([1, 2], "no") == [[1, "no"], [2, "no"]]
    assert mapped([1, 2], b"no") == [[1, b"no"], [2, b"no"]]
    assert mapped([1, 2], second=7) == [[1, 7], [2, 7]]


@pytest.mark.behaviour(48)
def test_other_iterables_can_be_mapped_too() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    assert mapped({"a": 1, "b": 2}) == [["a", None], ["b", None]]
    assert sorted(mapped({1, 2})) == [[1, None], [2, None]]
    assert mapped(range(2)) == [[0, None], [1, None]]
    assert mapped(numbers()) == [[1, None], [2, None]]


@pytest.mark.behaviour(49)
def test_what_is_unmapped_stays_whole() -> None:
    assert mapped([1, 2], unmapped([3, 4])) == [[1, [3, 4]], [2, [3, 4]]]


@pytest.mark.behaviour(49)
def test_defaults_are_never_mapped_and_extra_keywords_are() -> None:
    @task
    def gather(first: int, several: Any = (8, 9), **others: Any) -> Any:
        return first, several, others

    @flow
    def orders() -> Any:
        return gather.map([1, 2], more=["a", "b"]).result()

    assert orders() == [(1, (8, 9), {"more": "a"}), (2, (8, 9), {"more": "b"})]


@pytest.mark.behaviour(50)
@pytest.mark.parametrize("second", [[1], [1, 2, 3]])
def test_lengths_that_differ_are_refused_with_the_lengths(second: list[int]) -> None:
    with pytest.raises(MappingLengthMismatch) as caught:
        mapped([1, 2], second)
    for word in ("first", "2", "second", str(len(second))):
        assert word in str(caught.value)


@pytest.mark.behaviour(50)
def test_without_an_iterable_there_is_nothing_to_map() -> None:
    with pytest.raises(MappingMissingIterable):
        mapped(1, "two")


@pytest.mark.behaviour(50)
def test_an_empty_list_has_no_children() -> None:
    assert mapped([]) == []


@pytest.mark.behaviour(51)
def test_a_future_of_a_list_is_opened() -> None:
    @flow
    def orders() -> Any:
        return pair.map(give.submit([1, 2]), second=give.submit(3)).result()

    assert orders() == [[1, 3], [2, 3]]


@pytest.mark.behaviour(51)
def test_each_child_depends_on_its_own_future_alone() -> None:
    @task
    def even(number: int) -> int:
        if number % 2:
            raise OutOfStock
        return number

    @flow
    def orders() -> list[str]:
        return [state.name for state in pair.map(even.map([2, 3, 4]), return_state=True)]

    assert orders() == ["Completed", "NotReady", "Completed"]


@pytest.mark.behaviour(52)
def test_map_can_give_states() -> None:
    @flow
    def orders() -> None:
        states = pair.map([1, 2], return_state=True)
        assert type(states) is list
        assert all(isinstance(state, State) for state in states)
        assert [state.result() for state in states] == [[1, None], [2, None]]

    orders()


@pytest.mark.behaviour(53)
def test_a_state_of_a_list_can_be_mapped() -> None:
    assert mapped(Completed(data=[1, 2])) == [[1, None], [2, None]]


@pytest.mark.behaviour(53)
def test_a_quoted_list_is_mapped_and_its_items_are_not_looked_into() -> None:
    @task
    def name_of(state: Any) -> str:
        return type(state).__name__

    @flow
    def orders() -> list[str]:
        return name_of.map(quote([Failed(), [Completed()]])).result()

    assert orders() == ["State", "list"]
