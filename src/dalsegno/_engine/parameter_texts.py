"""Parameters for people and for forms: JSON that shows any value, and JSON that stands for it exactly."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any, Final, cast

MOST_ITEMS: Final = 100
MOST_CHARACTERS: Final = 2_000
MOST_LEVELS: Final = 6

_AS_TEXT: Final = (
    *(datetime.date, datetime.time, datetime.timedelta),
    *(uuid.UUID, pathlib.PurePath, decimal.Decimal),
)


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Return parameters as JSON for people: what JSON cannot hold stands as its repr, and what is long is
    cut.

    Example:
        >>> parameters_text({"day": "monday", "rows": range(3)})
        '{"day": "monday", "rows": "range(0, 3)"}'
    """
    shown = {name: _shown(value, MOST_LEVELS) for name, value in parameters.items()}
    return json.dumps(shown, ensure_ascii=False)


def serialize_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as values that JSON can hold, from which a flow's annotations can restore them.

    Raises:
        TypeError: A parameter has no such form; the message names it.
    """
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    serialized: dict[str, Any] = {}
    for name, value in parameters.items():
        try:
            serialized[name] = to_jsonable_python(value)
        except (PydanticSerializationError, ValueError) as error:
            raise TypeError(
                f"Parameter {name!r} of type {type(value).__name__} cannot be written as JSON: {error}. Pass "
                f"a plain value, a dataclass or a pydantic model, or something to load the value by."
            ) from error
    return serialized


def _shown(value: Any, levels: int) -> Any:
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, enum.Enum):
        return _shown(value.value, levels)
    if isinstance(value, _AS_TEXT):
        return str(value)
    inner = _inside(value) if levels else None
    if inner is None:
        return _cut(_represented(value))
    if isinstance(inner, dict):
        return _shown_mapping(inner, levels - 1)
    return _shown_items(inner, levels - 1)


def _inside(value: Any) -> dict[Any, Any] | list[Any] | None:
    """Return what is shown of a value in place of its repr."""
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(cast("list[Any]", value))
    class_ = cast("Any", type(value))
    if dataclasses.is_dataclass(class_):
        return {f.name: getattr(value, f.name, None) for f in dataclasses.fields(class_) if f.repr}
    if hasattr(class_, "__pydantic_validator__") and hasattr(class_, "model_fields"):
        return {name: getattr(value, name, None) for name, f in class_.model_fields.items() if f.repr}
    return None


def _shown_mapping(value: dict[Any, Any], levels: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for number, (key, item) in enumerate(value.items()):
        if number == MOST_ITEMS:
            shown["..."] = f"{len(value) - MOST_ITEMS} more"
            break
        shown[_cut(key if isinstance(key, str) else str(_shown(key, 0)))] = _shown(item, levels)
    return shown


def _shown_items(value: list[Any], levels: int) -> list[Any]:
    shown = [_shown(item, levels) for item in value[:MOST_ITEMS]]
    if len(value) > MOST_ITEMS:
        shown.append(f"... {len(value) - MOST_ITEMS} more")
    return shown


def _represented(value: Any) -> str:
    if isinstance(value, list | dict | tuple | set | frozenset):
        return "..."
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def _cut(text: str) -> str:
    more = len(text) - MOST_CHARACTERS
    shown = text if more <= 0 else f"{text[:MOST_CHARACTERS]}... {more} more characters"
    # Half a surrogate pair is a legal str, but no legal UTF-8.
    return shown.encode("utf-8", "replace").decode("utf-8")
