"""Placeholders in step lists and project files: `{{ $NAME }}`, `{{ dalsegno.variables.x }}`, `{{ step.output }}`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from dalsegno.exceptions import TemplateError

PLACEHOLDER = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_VARIABLES = ("dalsegno.variables.", "prefect.variables.")
_BLOCKS = ("dalsegno.blocks.", "prefect.blocks.")

Lookup = Callable[[str], Any]
"""Returns what a placeholder's expression stands for; `KEEP`: it stays as it is."""
KEEP = object()


def render(value: Any, lookup: Lookup) -> Any:
    """Return a value with what its placeholders stand for, in texts at any depth.

    A text that is nothing but a placeholder becomes the value itself, whatever its type.

    Example:
        >>> render({"tag": "{{ $TAG }}"}, from_environment({"TAG": "v1"}))
        {'tag': 'v1'}
    """
    if isinstance(value, str):
        return _text(value, lookup)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {key: render(each, lookup) for key, each in items}
    if isinstance(value, list):
        return [render(each, lookup) for each in cast("list[Any]", value)]
    return value


def from_environment(environment: Mapping[str, str] | None = None) -> Lookup:
    """Return a lookup of variables of the environment, and of Dalsegno's own."""
    known = os.environ if environment is None else environment

    def look(expression: str) -> Any:
        if expression.startswith("$"):
            name = expression[1:]
            if name not in known:
                raise TemplateError(f"{{{{ {expression} }}}} cannot be filled in: the environment has no {name}.")
            return known[name]
        if expression.startswith(_VARIABLES):
            return _variable(expression)
        if expression.startswith(_BLOCKS):
            raise TemplateError(
                f"{{{{ {expression} }}}} cannot be filled in: there are no blocks yet. Use {{{{ $NAME }}}} for a "
                "secret of the environment, or {{ dalsegno.variables.name }}."
            )
        raise TemplateError(
            f"{{{{ {expression} }}}} cannot be filled in: it is neither {{{{ $NAME }}}} nor "
            f"{{{{ dalsegno.variables.name }}}}, nor an output of a step before it."
        )

    return look


def is_outside(expression: str) -> bool:
    """Tell whether an expression is of the environment or a variable, and not of a step."""
    return expression.startswith(("$", *_VARIABLES, *_BLOCKS))


def is_reference(text: str) -> bool:
    """Tell whether a text is nothing but a placeholder for something outside."""
    found = PLACEHOLDER.fullmatch(text.strip())
    return found is not None and is_outside(found[1])


def _text(text: str, lookup: Lookup) -> Any:
    whole = PLACEHOLDER.fullmatch(text.strip())
    if whole is not None and "{{" not in whole[1]:
        found = lookup(whole[1])
        return text if found is KEEP else found
    return PLACEHOLDER.sub(lambda each: _inside(each, lookup), text)


def _inside(each: re.Match[str], lookup: Lookup) -> str:
    found = lookup(each[1])
    return each[0] if found is KEEP else str(found)


def _variable(expression: str) -> Any:
    from dalsegno._backend.connect import connect

    name, *path = expression.split(".")[2:]
    found = connect().get_variable(name)
    if found is None:
        raise TemplateError(
            f"{{{{ {expression} }}}} cannot be filled in: there is no variable {name!r}. "
            f"`dalsegno variable set {name} VALUE` makes it."
        )
    value = found.value
    for part in path:
        if not isinstance(value, dict) or part not in value:
            raise TemplateError(f"{{{{ {expression} }}}} cannot be filled in: variable {name!r} has no {part!r}.")
        value = cast("dict[str, Any]", value)[part]
    return value
