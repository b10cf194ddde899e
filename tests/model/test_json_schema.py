"""Values against the schemas that pydantic makes."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated, Any, Literal

import hypothesis
import pydantic
import pytest
from hypothesis import strategies

from dalsegno.model.json_schema import problems


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(pydantic.BaseModel):
    id: int
    tags: list[str] = []


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    name: Annotated[str, pydantic.Field(min_length=2, max_length=5, pattern="^[a-z]+$")]
    count: Annotated[int, pydantic.Field(ge=1, lt=10)] = 1
    price: float | None = None
    colour: Colour = Colour.RED
    kind: Literal["a", "b"] = "a"
    items: Annotated[list[Item], pydantic.Field(max_length=2)] = []
    pair: tuple[int, str] | None = None
    due: datetime.date | None = None
    more: dict[str, int] = {}


SCHEMA = Order.model_json_schema()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": "tea"}, []),
        ({}, [("name", "is missing")]),
        (["tea"], [("", "must be an object, not ['tea']")]),
        ({"name": "t"}, [("name", "must have 2 characters or more")]),
        ({"name": "coffee"}, [("name", "must have 5 characters or fewer")]),
        ({"name": "TEA"}, [("name", "must match ^[a-z]+$")]),
        ({"name": "tea", "count": 0}, [("count", "must be 1 or more")]),
        ({"name": "tea", "count": 10}, [("count", "must be less than 10")]),
        ({"name": "tea", "count": True}, [("count", "must be a whole number, not True")]),
        ({"name": "tea", "count": 2.0}, []),
        ({"name": "tea", "colour": "green"}, [("colour", "must be one of 'red', 'blue', not 'green'")]),
        ({"name": "tea", "kind": "c"}, [("kind", "must be one of 'a', 'b', not 'c'")]),
        ({"name": "tea", "items": [{"id": 1}, {"tags": [2]}]}, "items.1.id items.1.tags.0"),
        ({"name": "tea", "items": [{"id": 1}] * 3}, [("items", "must have 2 items or fewer")]),
        ({"name": "tea", "pair": [1, 2]}, "pair.1"),
        ({"name": "tea", "more": {"x": "y"}}, [("more.x", "must be a whole number, not 'y'")]),
        ({"name": "tea", "size": 1}, "size"),
        ({"name": "tea", "price": None, "due": "2026-01-31"}, []),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(given: Any, wrong: Any) -> None:
    found = problems(SCHEMA, given)
    assert (" ".join(where for where, _ in found) if isinstance(wrong, str) else found) == wrong


@hypothesis.given(
    strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=5),
        lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_whatever_is_given_there_is_an_answer_and_what_pydantic_takes_strictly_fits(value: Any) -> None:
    found = problems(SCHEMA, value)
    try:
        Order.model_validate(value, strict=True)
    except pydantic.ValidationError:
        return
    assert found == []


def test_schemas_that_refer_to_themselves_or_to_nothing_end() -> None:
    loop: dict[str, Any] = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert problems(loop, 1) == []
    assert problems({"$ref": "#/nowhere"}, 1) == []
