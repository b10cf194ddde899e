"""Looking up an attribute of a runtime module: what overrides it in the environment, else what is so."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from dalsegno.exceptions import SettingError

Getters = Mapping[str, Callable[[], Any]]


def read_attribute(module: str, name: str, getters: Getters) -> Any:
    """Return an attribute of a runtime module. Raises AttributeError if it has none of that name."""
    if name not in getters:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    value = getters[name]()
    variable = f"DALSEGNO__RUNTIME__{module.rpartition('.')[2]}__{name}".upper()
    override = os.environ.get(variable)
    return value if override is None else cast_like(override, value, variable)


def cast_like(text: str, original: Any, variable: str) -> Any:
    """Return what a text stands for as a value of the type of `original`; of None, as a text."""
    try:
        return _cast(text, original)
    except ValueError as error:
        kind = cast("type[Any]", type(original)).__name__
        raise SettingError(f"{variable} is {text!r} (from the environment), but must be a {kind}.") from error


def _cast(text: str, original: Any) -> Any:
    from datetime import UTC, datetime

    if isinstance(original, datetime):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(original, list | dict):
        return _cast_collection(text, list if isinstance(original, list) else dict)
    if isinstance(original, int):
        return int(text)
    return text


def _cast_collection(text: str, kind: type[Any]) -> Any:
    import json

    if kind is list and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(text)
    return value
