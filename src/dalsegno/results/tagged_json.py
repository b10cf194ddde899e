"""What JSON has no form for, as an object with a tag: ``{"__dalsegno__": "date", "value": "2026-01-31"}``."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import importlib
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from dalsegno.exceptions import SerializationError

TAG = "__dalsegno__"
_KEYS = {TAG, "value"}


def encode_object(value: Any) -> dict[str, Any]:
    """Return the tagged form of an object, for the `default` of a JSON library. Raises TypeError if it has
    none.
    """
    for tag, kind, to_json, _ in _SIMPLE:
        if type(value) is kind:
            return {TAG: tag, "value": to_json(value)}
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Enum):
        return _of_class("enum", kind, value.name)
    if isinstance(value, PurePath):
        return _of_class("path", kind, str(value))
    if isinstance(value, BaseException):
        return _of_class("exception", kind, list(value.args))
    if dataclasses.is_dataclass(kind):
        return _of_class(
            "dataclass", kind, {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
        )
    if hasattr(kind, "model_validate"):
        return _of_class("pydantic", kind, {name: getattr(value, name) for name in kind.model_fields})
    if hasattr(value, "tolist"):  # arrays and scalars of numpy: as plain numbers
        return value.tolist()
    raise TypeError(f"Object of type {kind.__qualname__} has no form in JSON; choose the serializer 'pickle'.")


def decode_object(value: dict[str, Any]) -> Any:
    """Return what a tagged form stands for, any other object as it is, for the `object_hook` of `json`.

    Raises SerializationError if its class cannot be found. Classes are imported: decode only what was
    verified.
    """
    if value.keys() != _KEYS:
        return value
    tag, content = value[TAG], value["value"]
    for name, _, _, from_json in _SIMPLE:
        if tag == name:
            return from_json(content)
    make = _MAKERS.get(tag)
    return value if make is None else make(_find_class(content[0]), content[1])


def _of_class(tag: str, kind: Any, content: Any) -> dict[str, Any]:
    return {TAG: tag, "value": [f"{kind.__module__}:{kind.__qualname__}", content]}


def _find_class(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SerializationError(f"The class {name} of a stored result cannot be found: {error}") from error
    return found


def _make_dataclass(kind: Any, values: dict[str, Any]) -> Any:
    made = kind.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


_SIMPLE: list[tuple[str, type, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("datetime", datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    ("date", datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    ("time", datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    (
        "timedelta",
        datetime.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: datetime.timedelta(*parts),
    ),
    ("set", set, list, set),
    ("frozenset", frozenset, list, frozenset),
    ("bytes", bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
    ("uuid", UUID, str, UUID),
    ("decimal", Decimal, str, Decimal),
    ("complex", complex, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
]

_MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "enum": lambda kind, name: kind[name],
    "path": lambda kind, text: kind(text),
    "exception": lambda kind, arguments: kind(*arguments),
    "dataclass": _make_dataclass,
    "pydantic": lambda kind, values: kind.model_validate(values),
}
