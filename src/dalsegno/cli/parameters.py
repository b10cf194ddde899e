"""A flow's parameters from the command line: `-p name=value` and `--params JSON` or `@file`."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import Parameter

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.values import json_or_text, read_json

Pairs = Annotated[
    list[str] | None,
    Parameter(
        name=["--param", "-p"],
        help="A parameter as NAME=VALUE; may be repeated. The value is JSON, or else text.",
        allow_leading_hyphen=True,
    ),
]
Whole = Annotated[
    str | None,
    Parameter(name="--params", help="A JSON object of parameters, or @FILE that holds one (@-: standard input)."),
]


def read_parameters(
    function: Callable[..., Any], pairs: Sequence[str] | None, whole: str | None = None
) -> dict[str, Any]:
    """Return parameters by name; those of `pairs` win.

    The value of one that is annotated `str` is the text as it stands; others are JSON where they can be.
    """
    parameters = read_object(whole) if whole is not None else {}
    hints = type_hints(function) if pairs else {}
    for pair in pairs or ():
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"{pair!r} is no parameter; write -p NAME=VALUE, as in -p day=2026-01-31.")
        parameters[name] = read_value(text, hints.get(name, Any))
    return parameters


def read_object(text: str) -> dict[str, Any]:
    """Return the object that a JSON text, or the file that ``@path`` names, holds."""
    source = "--params"
    if text.startswith("@"):
        source = text[1:]
        text = read_file(source)
    try:
        value = read_json(text)
    except ValueError as error:
        raise CommandError(f'{source} holds no JSON ({error}); write it as \'{{"name": "value"}}\'.') from None
    if not isinstance(value, dict):
        raise CommandError(f"{source} must hold a JSON object of parameters, not {text.strip()[:40]!r}.")
    return cast("dict[str, Any]", value)


def read_file(path: str) -> str:
    """Return what a file, or for ``-`` standard input, holds."""
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        message = f"Parameters cannot be read from {path!r}: {error.strerror}."
        raise CommandError(message, ExitCode.NOT_FOUND) from None
    except UnicodeDecodeError:
        raise CommandError(f"Parameters cannot be read from {path!r}: it is no UTF-8 text.") from None


def read_value(text: str, annotation: Any) -> Any:
    """Return the value that a text stands for where a parameter has this annotation."""
    wanted = alternatives(annotation)
    if str not in wanted:
        return json_or_text(text)
    if wanted == {str, types.NoneType}:
        return None if text == "null" else text
    return text if wanted == {str} else json_or_text(text)


def alternatives(annotation: Any) -> set[Any]:
    """Return the types of a union, or the one type that an annotation is."""
    if typing.get_origin(annotation) is Annotated:
        return alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(annotation) for kind in alternatives(part)}
    return {str} if isinstance(annotation, type) and issubclass(annotation, str) else {annotation}


def type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, as far as they can be made out."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:
        # A name that is imported for type checkers only: strings are then taken as they stand.
        return {name: str if hint == "str" else hint for name, hint in _raw_hints(function).items()}


def _raw_hints(function: Callable[..., Any]) -> dict[str, Any]:
    return dict(getattr(function, "__annotations__", {}))
