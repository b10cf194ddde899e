"""Parameters of flows become what their annotations say, or an error says which of them cannot."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import logging
import subprocess
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from dalsegno._engine.calls import compile_call
from dalsegno._engine.parameters import (
    ParameterTypes,
    parameter_schema,
    parameters_text,
    serialize_parameters,
    validate,
)
from dalsegno.exceptions import ParameterTypeError

if TYPE_CHECKING:
    from nowhere import Unimported  # type: ignore[import-not-found]


class Order(BaseModel):
    id: int
    lines: list[int] = []


@dataclasses.dataclass
class Point:
    x: int
    secret: str = dataclasses.field(default="", repr=False)


class Color(enum.Enum):
    RED = "red"


def validated(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    plan = compile_call(fn)
    return validate(plan, fn, plan.bind(args, kwargs))


def coerced(annotation: Any, value: Any) -> Any:
    def fn(x): ...

    fn.__annotations__ = {"x": annotation}
    return validated(fn, value)["x"]


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (int, "5", 5),
        (int, 1.0, 1),
        (int, True, 1),
        (float, 1, 1.0),
        ("int", "5", 5),
        (bool, "yes", True),
        (datetime.date, "2026-01-31", datetime.date(2026, 1, 31)),
        (list[int], ["1", 2], [1, 2]),
        (dict[str, float], {"a": "1"}, {"a": 1.0}),
        (Order, {"id": "7", "lines": ["1"]}, Order(id=7, lines=[1])),
        (list[Order], [{"id": 1}], [Order(id=1)]),
        ("list[Order]", [{"id": 1}], [Order(id=1)]),
        (Point, {"x": "3"}, Point(3)),
        (Color, "red", Color.RED),
        (int | None, "3", 3),
        ("int | None", None, None),
        (Annotated[int, Field(gt=0)], "3", 3),
        (Literal["a", "b"], "a", "a"),
        (None, None, None),
    ],
)
def test_values_become_what_the_annotation_says(annotation: Any, value: Any, result: Any) -> None:
    made = coerced(annotation, value)
    assert made == result
    assert type(made) is type(result)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (int, 1.5, "Input should be a valid integer, got a number with a fractional part"),
        (int, None, "Input should be a valid integer"),
        (int, "many", "Input should be a valid integer"),
        (Annotated[int, Field(gt=0)], -1, "Input should be greater than 0"),
        (Color, "blue", "Input should be 'red'"),
        (logging.Logger, "root", "Input should be an instance of Logger"),
        (Literal["a"], "b", "Input should be 'a'"),
    ],
)
def test_what_does_not_fit_is_named(annotation: Any, value: Any, text: str) -> None:
    with pytest.raises(ParameterTypeError) as caught:
        coerced(annotation, value)
    first, line = str(caught.value).splitlines()
    assert first == "Flow run received invalid parameters:"
    assert line.startswith(f" - x: {text}")


def test_each_parameter_that_does_not_fit_has_a_line_with_its_place() -> None:
    def nightly(day: int, orders: list[Order], /, *rest: int, copy: bool = False, **more: float): ...

    with pytest.raises(ParameterTypeError) as caught:
        validated(nightly, "x", [{"id": 1}, {"id": "?"}], 1, "y", copy="perhaps", rate="high")
    places = [line.split(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert places == [" - day", " - orders.1.id", " - rest.1", " - copy", " - more.rate"]


def test_variadic_parameters_are_coerced_item_by_item() -> None:
    def nightly(*days: int, **rates: float): ...

    assert validated(nightly, "1", 2, a="1.5") == {"days": (1, 2), "rates": {"a": 1.5}}


def test_keywords_may_be_typed_one_by_one() -> None:
    class Options(TypedDict, total=False):
        rate: float

    def nightly(**options: typing.Unpack[Options]): ...

    assert validated(nightly, rate="1.5") == {"options": {"rate": 1.5}}


def test_names_that_models_use_are_ordinary_parameters() -> None:
    def nightly(copy: int, json: int, model_config: int, _hidden: int, schema: int, self: int): ...

    made = validated(nightly, *"123456")
    assert list(made.values()) == [1, 2, 3, 4, 5, 6]


def test_what_has_no_annotation_is_the_same_object() -> None:
    def nightly(rows, anything: Any, day: int, *, lock=None): ...

    rows, anything, lock = [object()], object(), object()
    made = validated(nightly, rows, anything, "3", lock=lock)
    assert made["day"] == 3
    assert (made["rows"], made["anything"], made["lock"]) == (rows, anything, lock)
    assert made["rows"] is rows


def test_objects_of_arbitrary_classes_are_handed_on() -> None:
    logger = logging.getLogger("x")
    order = Order(id=1)
    assert coerced(logging.Logger, logger) is logger
    assert coerced(Order, order) is order


def test_self_of_a_method_is_left_alone() -> None:
    class Shop:
        def nightly(self, day: int): ...

    shop = Shop()
    assert validated(shop.nightly, "3") == {"day": 3}
    assert validated(Shop.nightly, shop, "3")["self"] is shop


def test_a_default_need_not_have_the_annotated_type_but_becomes_it_where_it_can() -> None:
    def nightly(limit: int = None, day: datetime.date = "2026-01-31", other: int = "?"): ...  # noqa: RUF013

    made = validated(nightly)
    assert made == {"limit": None, "day": datetime.date(2026, 1, 31), "other": "?"}
    with pytest.raises(ParameterTypeError, match="other"):
        validated(nightly, other="!")


def test_a_default_may_be_a_field() -> None:
    def nightly(limit: int = Field(10, gt=0), names: list[str] = Field(default_factory=list)): ...  # noqa: B008

    assert validated(nightly) == {"limit": 10, "names": []}
    assert validated(nightly, "3") == {"limit": 3, "names": []}
    with pytest.raises(ParameterTypeError, match="limit: Input should be greater than 0"):
        validated(nightly, -1)

    def needs(limit: int = Field(gt=0)): ...

    with pytest.raises(ParameterTypeError, match="limit: Field required"):
        validated(needs)


def test_an_alias_of_a_field_does_not_rename_the_parameter() -> None:
    def nightly(limit: Annotated[int, Field(alias="max")]): ...

    assert validated(nightly, "3") == {"limit": 3}
    with pytest.raises(ParameterTypeError, match=" - limit: "):
        validated(nightly, "?")


def test_a_class_beside_a_local_flow_is_found() -> None:
    class Local(BaseModel):
        id: int

    def nightly(item: Local): ...

    assert validated(nightly, {"id": "1"}) == {"item": Local(id=1)}


def test_what_cannot_be_resolved_or_is_no_type_is_not_checked() -> None:
    def nightly(a: Unimported, b: "just a note", c: len, d: int): ...  # type: ignore[valid-type]  # noqa: F722

    assert validated(nightly, "a", "b", "c", "4") == {"a": "a", "b": "b", "c": "c", "d": 4}


@pytest.mark.parametrize("annotation", [Iterable[int], Iterator[int], Iterable[int] | None])
def test_an_iterable_is_not_wrapped_into_something_that_ends_after_one_use(annotation: Any) -> None:
    rows = [1, 2]
    assert coerced(annotation, rows) is rows


def test_a_collection_is_the_runs_own_whether_something_was_coerced_or_not() -> None:
    for annotation in (list, list[int], dict, dict[str, int]):
        rows: Any = [1] if "list" in str(annotation) else {"a": 1}
        made = coerced(annotation, rows)
        assert made == rows
        assert made is not rows


def test_types_are_worked_out_once() -> None:
    def nightly(day: int): ...

    types = ParameterTypes(nightly, compile_call(nightly))
    assert [types.validate({"day": day}) for day in (1, "2", 3.0)] == [{"day": 1}, {"day": 2}, {"day": 3}]


def test_pydantic_is_loaded_only_when_it_is_needed() -> None:
    code = """
from __future__ import annotations
import sys
from dalsegno._engine.calls import compile_call
from dalsegno._engine.parameters import ParameterTypes, parameters_text

def nightly(day: str, n: int = 1, rate: float | None = None, names: list[str] = [], more=None, **rest: int):
    pass

plan = compile_call(nightly)
types = ParameterTypes(nightly, plan)
given = types.validate(plan.bind(("monday",), {"rate": 1.5, "names": ["a"], "more": object(), "x": 1}))
parameters_text(given)
assert given["day"] == "monday", given
assert "pydantic" not in sys.modules
assert types.validate(plan.bind(("monday", "5"), {}))["n"] == 5
assert "pydantic" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_schema_describes_every_parameter() -> None:
    def nightly(
        day: str, order: Order, _rows, limit: int = 10, lock: logging.Logger | None = None, *rest: int, **more
    ): ...  # type: ignore[assignment]

    schema = parameter_schema(nightly, compile_call(nightly))
    properties = schema["properties"]
    assert (schema["title"], schema["type"]) == ("Parameters", "object")
    assert schema["required"] == ["day", "order", "_rows"]
    assert properties["day"] == {"title": "day", "type": "string", "position": 0}
    assert properties["order"] == {"$ref": "#/$defs/Order", "position": 1}
    assert properties["_rows"] == {"title": "_rows", "position": 2}
    assert properties["limit"] == {"title": "limit", "type": "integer", "default": 10, "position": 3}
    assert properties["lock"]["position"] == 4
    assert properties["rest"]["items"] == {"type": "integer"}
    assert properties["more"]["type"] == "object"
    assert "Order" in schema["$defs"]
    json.dumps(schema)


def test_a_function_without_parameters_has_an_empty_schema() -> None:
    schema = parameter_schema(lambda: None, compile_call(lambda: None))
    assert schema == {"title": "Parameters", "type": "object", "properties": {}, "required": []}


class Unrepresentable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_the_text_for_people_shows_any_value() -> None:
    parameters = {
        "a": [1, 2.5, None, True, "x"],
        "day": datetime.date(2026, 1, 31),
        "order": Order(id=1),
        "point": Point(1, "hidden"),
        "color": Color.RED,
        "range": range(3),
        "set": {1},
        "keys": {1: "a", (1, 2): "b"},
        "nan": float("nan"),
        "broken": Unrepresentable(),
        "half": "\ud800",
    }
    shown = json.loads(parameters_text(parameters))
    assert shown == {
        "a": [1, 2.5, None, True, "x"],
        "day": "2026-01-31",
        "order": {"id": 1, "lines": []},
        "point": {"x": 1},
        "color": "red",
        "range": "range(0, 3)",
        "set": [1],
        "keys": {"1": "a", "...": "b"},
        "nan": "nan",
        "broken": "<Unrepresentable, whose repr raises RuntimeError>",
        "half": "?",
    }


def test_the_text_for_people_is_bounded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    text = parameters_text({"long": "x" * 10_000, "rows": list(range(10_000)), "endless": endless})
    shown = json.loads(text)
    assert len(text) < 4_000
    assert shown["long"].endswith("... 8000 more characters")
    assert shown["rows"][-1] == "... 9900 more"
    assert len(shown["rows"]) == 101


def test_parameters_are_serialized_so_that_the_flow_restores_them() -> None:
    def nightly(day: datetime.date, order: Order, point: Point): ...

    given = {"day": datetime.date(2026, 1, 31), "order": Order(id=1), "point": Point(2)}
    serialized = serialize_parameters(given)
    assert json.loads(json.dumps(serialized)) == serialized
    assert validated(nightly, **serialized) == given


def test_a_parameter_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match="Parameter 'lock' of type object cannot be written as JSON"):
        serialize_parameters({"day": 1, "lock": object()})
