"""A call of the API as data: what is to be asked, and how the answer is read. Who sends it is another matter."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import msgspec

T = TypeVar("T")

Id = str | uuid.UUID


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One request."""

    method: str
    path: str
    """Below ``/api``, without a slash before it: ``"flow-runs/count"``."""
    result: type[T]
    """What the answer is read as; NoneType: there is nothing to read."""
    query: list[tuple[str, str]] = []
    body: msgspec.Struct | None = None
    headers: dict[str, str] = {}
    repeatable: bool = False
    """Whether asking twice does no harm, so that it may be asked again where there was no answer."""


class Pages(msgspec.Struct, Generic[T], frozen=True):
    """A list of many pages: what asks for the page at a cursor."""

    at: Callable[[str | None], Call[Any]]


def get(path: str, result: type[T], query: Mapping[str, Any] | None = None) -> Call[T]:
    """Return a call that reads."""
    return Call(method="GET", path=path, result=result, query=query_of(query or {}), repeatable=True)


def ask(path: str, result: type[T], body: msgspec.Struct) -> Call[T]:
    """Return a call that reads, with what it asks for in its body."""
    return Call(method="POST", path=path, result=result, body=body, repeatable=True)


def change(
    method: str,
    path: str,
    result: type[T],
    body: msgspec.Struct | None = None,
    *,
    if_match: str | None = None,
    if_none_match: str | None = None,
    repeatable: bool = False,
) -> Call[T]:
    """Return a call that changes something; with the ETag of what is changed it may be repeated."""
    headers = {"if-match": if_match, "if-none-match": if_none_match}
    return Call(
        method=method,
        path=path,
        result=result,
        body=body,
        headers={name: value for name, value in headers.items() if value is not None},
        repeatable=repeatable or if_match is not None,
    )


def segment(value: object) -> str:
    """Return a value as one part of a path."""
    return quote(str(value), safe="")


def id_of(id: Id) -> uuid.UUID:
    """Return an id that is given as text as a UUID. Raises ValueError."""
    if isinstance(id, uuid.UUID):
        return id
    try:
        return uuid.UUID(id)
    except ValueError:
        raise ValueError(f"{id!r} is no id: ids look like {uuid.UUID(int=0)}.") from None


def query_of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return named values as a query has them: dashed names, lists repeated, what is None or empty left out."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        each_of = cast("list[Any]", value) if isinstance(value, list) else [value]
        found += [(name.replace("_", "-"), _text(each)) for each in each_of if each is not None]
    return found


def query_of_filter(filter: msgspec.Struct | None) -> dict[str, Any]:
    """Return a filter as named values of a query, where lists have singular names."""
    if filter is None:
        return {}
    values = msgspec.structs.asdict(filter)
    return {name.removesuffix("s") if isinstance(value, list) else name: value for name, value in values.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return str(getattr(value, "value", value))
