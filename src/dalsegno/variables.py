"""Variables: named JSON values that flows share and people can change without touching code."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import msgspec

from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno._engine.awaiting import awaited_in_coroutines, in_thread
from dalsegno._engine.context import current_scope
from dalsegno.exceptions import InvalidNameError
from dalsegno.model.views import VariableView

__all__ = ["MAX_NAME_LENGTH", "MAX_VALUE_LENGTH", "Variable"]

MAX_NAME_LENGTH = 255
MAX_VALUE_LENGTH = 5000
"""In characters of its JSON."""

_NAME = re.compile(r"[a-z0-9_-]+")


class Variable(msgspec.Struct, frozen=True):
    """A named JSON value.

    `get`, `set` and `unset` are called in plain code and awaited in coroutines; `aget`, `aset` and `aunset`
    are always awaited.

    Example:
        >>> Variable.set("countries", ["no", "dk"], overwrite=True)
        >>> Variable.get("countries")
        ['no', 'dk']
    """

    name: str
    value: Any
    tags: list[str] = []

    @staticmethod
    @awaited_in_coroutines
    def set(name: str, value: Any, tags: list[str] | None = None, overwrite: bool = False) -> Variable:
        """Create a variable, or with `overwrite` replace one.

        The name has lowercase letters, digits, dashes and underscores (InvalidNameError); the value is any
        JSON of up to 5000 characters (ValueError, or TypeError if it is no JSON). A variable that exists is a
        ValueError unless `overwrite`.
        """
        return _set(name, value, tags, overwrite)

    @staticmethod
    @awaited_in_coroutines
    def get(name: str, default: Any = None) -> Any:
        """Return the value of a variable, or `default` where there is none."""
        return _get(name, default)

    @staticmethod
    @awaited_in_coroutines
    def unset(name: str) -> bool:
        """Delete a variable; tell whether it was there."""
        return _unset(name)

    @staticmethod
    async def aset(name: str, value: Any, tags: list[str] | None = None, overwrite: bool = False) -> Variable:
        """Do what `set` does."""
        return await in_thread(_set, name, value, tags, overwrite)

    @staticmethod
    async def aget(name: str, default: Any = None) -> Any:
        """Do what `get` does."""
        return await in_thread(_get, name, default)

    @staticmethod
    async def aunset(name: str) -> bool:
        """Do what `unset` does."""
        return await in_thread(_unset, name)


def _backend() -> Backend:
    scope = current_scope()
    return connect() if scope is None or scope.session.detached else scope.session.backend


def _set(name: str, value: Any, tags: list[str] | None, overwrite: bool) -> Variable:
    _check_name(name)
    plain = _plain(name, value)
    now = time.time_ns() // 1000
    view = VariableView(name=name, value=plain, tags=tuple(tags or ()), created=now, updated=now)
    if not _backend().set_variable(view, overwrite):
        raise ValueError(f"Variable {name!r} exists already. Pass overwrite=True to give it another value.")
    return Variable(name, plain, list(view.tags))


def _get(name: str, default: Any) -> Any:
    _check_name(name)
    view = _backend().get_variable(name)
    return default if view is None else view.value


def _unset(name: str) -> bool:
    _check_name(name)
    return _backend().unset_variable(name)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidNameError(
            f"{name!r} cannot name a variable: use lowercase letters, digits, dashes and underscores."
        )
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidNameError(
            f"The name {name[:20]!r}... has {len(name)} characters; a variable's may have {MAX_NAME_LENGTH}."
        )


def _plain(name: str, value: Any) -> Any:
    """Return the value as it will be read: what JSON makes of it."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The value of variable {name!r} is not JSON: {error}.") from error
    if len(text) > MAX_VALUE_LENGTH:
        raise ValueError(f"The value of variable {name!r} has {len(text)} characters of JSON, over {MAX_VALUE_LENGTH}.")
    return json.loads(text)
