"""Checks a JSON value against a JSON schema, as far as pydantic's schemas use it: what is wrong, and where.

It is for telling a person at once; whoever receives the value checks it in full. Keywords that are not known here
restrict nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

Problem = tuple[str, str]
"""Where (``"orders.0.id"``, or ``""`` for the whole) and what is wrong."""

_NESTED_AT_MOST = 64
_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value)),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool], Callable[[Any], str]]] = {
    "minimum": ("number", lambda value, limit: value >= limit, lambda limit: f"must be {limit} or more"),
    "maximum": ("number", lambda value, limit: value <= limit, lambda limit: f"must be {limit} or less"),
    "exclusiveMinimum": ("number", lambda value, limit: value > limit, lambda limit: f"must be more than {limit}"),
    "exclusiveMaximum": ("number", lambda value, limit: value < limit, lambda limit: f"must be less than {limit}"),
    "minLength": (
        "string",
        lambda value, limit: len(value) >= limit,
        lambda limit: f"must have {limit} characters or more",
    ),
    "maxLength": (
        "string",
        lambda value, limit: len(value) <= limit,
        lambda limit: f"must have {limit} characters or fewer",
    ),
    "minItems": ("array", lambda value, limit: len(value) >= limit, lambda limit: f"must have {limit} items or more"),
    "maxItems": ("array", lambda value, limit: len(value) <= limit, lambda limit: f"must have {limit} items or fewer"),
}


def problems(schema: dict[str, Any], value: Any) -> list[Problem]:
    """Return what is wrong with a value; nothing, if it fits.

    Example:
        >>> problems({"type": "object", "required": ["name"]}, {})
        [('name', 'is missing')]
    """
    return list(_problems(schema, value, "", schema, 0))


def _problems(schema: Any, value: Any, at: str, root: dict[str, Any], depth: int) -> Iterator[Problem]:
    if depth > _NESTED_AT_MOST or not isinstance(schema, dict):
        return
    rules = cast("dict[str, Any]", schema)
    if "$ref" in rules:
        yield from _problems(_resolve(root, rules["$ref"]), value, at, root, depth + 1)
    for each in rules.get("allOf", ()):
        yield from _problems(each, value, at, root, depth + 1)
    choices = rules.get("anyOf") or rules.get("oneOf")
    if choices:
        found = [list(_problems(each, value, at, root, depth + 1)) for each in choices]
        if all(found):
            # The nearest is the one of which the least is wrong.
            yield from min(found, key=lambda wrong: (_is_about_type(wrong, at), len(wrong)))
    wanted = rules.get("type")
    if wanted is not None:
        kinds = cast("list[str]", wanted) if isinstance(wanted, list) else [str(wanted)]
        if not any(_TYPES.get(kind, _anything)(value) for kind in kinds):
            yield at, f"must be {' or '.join(map(_named, kinds))}, not {_shown(value)}"
            return
    if "const" in rules and value != rules["const"]:
        yield at, f"must be {rules['const']!r}"
    if "enum" in rules and value not in rules["enum"]:
        yield at, f"must be one of {', '.join(map(repr, rules['enum']))}, not {_shown(value)}"
    yield from _beyond_limits(rules, value, at)
    yield from _in_object(rules, value, at, root, depth)
    yield from _in_array(rules, value, at, root, depth)


def _beyond_limits(rules: dict[str, Any], value: Any, at: str) -> Iterator[Problem]:
    for keyword, (kind, holds, words) in _LIMITS.items():
        if keyword in rules and _TYPES[kind](value) and not holds(value, rules[keyword]):
            yield at, words(rules[keyword])
    pattern = rules.get("pattern")
    if isinstance(pattern, str) and isinstance(value, str) and not _matches(pattern, value):
        yield at, f"must match {pattern}"


def _in_object(rules: dict[str, Any], value: Any, at: str, root: dict[str, Any], depth: int) -> Iterator[Problem]:
    if not isinstance(value, dict):
        return
    given = cast("dict[str, Any]", value)
    known: dict[str, Any] = rules.get("properties", {})
    for name in rules.get("required", ()):
        if name not in given:
            yield _join(at, name), "is missing"
    rest: Any = rules.get("additionalProperties", True)
    for name, item in given.items():
        if name in known:
            yield from _problems(known[name], item, _join(at, name), root, depth + 1)
        elif rest is False:
            yield _join(at, name), f"is not known; there are {', '.join(known) or 'none'}"
        else:
            yield from _problems(rest, item, _join(at, name), root, depth + 1)


def _in_array(rules: dict[str, Any], value: Any, at: str, root: dict[str, Any], depth: int) -> Iterator[Problem]:
    if not isinstance(value, list):
        return
    first: list[Any] = rules.get("prefixItems", [])
    for index, item in enumerate(cast("list[Any]", value)):
        schema = first[index] if index < len(first) else rules.get("items", True)
        yield from _problems(schema, item, _join(at, str(index)), root, depth + 1)


def _resolve(root: dict[str, Any], reference: Any) -> Any:
    found: Any = root
    for part in str(reference).removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    return found


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True  # a pattern of another dialect


def _is_about_type(wrong: list[Problem], at: str) -> bool:
    return any(where == at and text.startswith("must be ") for where, text in wrong)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _anything(value: Any) -> bool:
    return True


def _named(kind: str) -> str:
    names = {"null": "null", "object": "an object", "array": "an array", "integer": "a whole number"}
    return names.get(kind, f"a {kind}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
