"""Variables, kept in a real database."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno._backend.connect import connect
from dalsegno.exceptions import InvalidNameError
from dalsegno.variables import MAX_VALUE_LENGTH, Variable


@pytest.mark.parametrize(
    "value",
    ["text", 3, 2.5, True, None, [1, "two", None], {"a": {"b": [1]}}, "x" * (MAX_VALUE_LENGTH - 2)],
    ids=["text", "int", "float", "bool", "none", "list", "dict", "longest"],
)
def test_any_json_can_be_set_and_read(value: Any) -> None:
    made = Variable.set("thing", value)
    assert made == Variable("thing", value, [])
    assert Variable.get("thing") == value


def test_a_missing_variable_is_none_or_the_default() -> None:
    assert Variable.get("missing") is None
    assert Variable.get("missing", default=5) == 5
    Variable.set("nothing", None)
    assert Variable.get("nothing", default=5) is None


def test_a_second_set_needs_overwrite() -> None:
    Variable.set("rate", 1, tags=["money"])
    with pytest.raises(ValueError, match=r"'rate' exists already.*overwrite=True"):
        Variable.set("rate", 2)
    assert Variable.get("rate") == 1
    assert Variable.set("rate", 2, tags=["a", "b"], overwrite=True).tags == ["a", "b"]
    view = connect().get_variable("rate")
    assert view is not None
    assert (view.value, view.tags) == (2, ("a", "b"))


def test_unset_tells_whether_it_was_there() -> None:
    Variable.set("gone", 1)
    assert Variable.unset("gone") is True
    assert Variable.unset("gone") is False
    assert Variable.get("gone") is None


@pytest.mark.parametrize("name", ["Upper", "with space", "dot.ted", "", "é", "a" * 256])
def test_names_are_checked_on_every_call(name: str) -> None:
    for call in (lambda: Variable.set(name, 1), lambda: Variable.get(name), lambda: Variable.unset(name)):
        with pytest.raises(InvalidNameError):
            call()


@pytest.mark.parametrize("name", ["a", "lower_case-1", "0"])
def test_good_names_are_good(name: str) -> None:
    Variable.set(name, 1)
    assert Variable.get(name) == 1


@pytest.mark.parametrize(
    ("value", "error"),
    [({1, 2}, TypeError), (object(), TypeError), (float("nan"), ValueError), ("x" * 4999, ValueError)],
    ids=["set", "object", "nan", "too long"],
)
def test_what_is_no_json_or_too_long_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="variable 'thing'"):
        Variable.set("thing", value)
    assert Variable.get("thing") is None


def test_what_is_returned_is_what_will_be_read() -> None:
    assert Variable.set("pair", (1, 2)).value == [1, 2] == Variable.get("pair")


async def use_variables() -> list[Any]:
    made = await Variable.set("seen", [1])
    return [
        made.value,
        await Variable.get("seen"),
        (await Variable.aset("seen", 2, overwrite=True)).value,
        await Variable.aget("seen"),
        await Variable.aget("missing", default="none"),
        await Variable.unset("seen"),
        await Variable.aunset("seen"),
    ]


def test_in_a_coroutine_calls_are_awaited() -> None:
    import asyncio

    assert asyncio.run(use_variables()) == [[1], [1], 2, 2, "none", True, False]
