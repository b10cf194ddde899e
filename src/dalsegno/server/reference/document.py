"""The OpenAPI document: what Litestar reads from the handlers, made exact.

The schemas are msgspec's own, with every limit and description; the answers are those of the table of routes.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

import msgspec

from dalsegno.model import resources
from dalsegno.server.api import health
from dalsegno.server.problems import MEDIA_TYPE, TITLES, ProblemDetails
from dalsegno.server.routes import ROUTES

Document: TypeAlias = "dict[str, Any]"

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER_TYPE = re.compile(r":[a-z]+\}")
_DONE = {200: "It was done; the answer is in the body.", 201: "It was made.", 204: "It was done."}


def finish(document: Document) -> Document:
    """Return Litestar's document with exact schemas and with all answers of each operation."""
    paths: dict[str, dict[str, Document]] = document["paths"]
    for route in ROUTES:
        operation = paths.get(_PARAMETER_TYPE.sub("}", route.path), {}).get(route.method.lower())
        if operation is not None:
            _finish_operation(operation, sorted(route.statuses))
    _, schemas = msgspec.json.schema_components(_types(), ref_template=_REFERENCE)
    document["components"] = {"schemas": _used(paths, schemas)}
    return document


def _finish_operation(operation: Document, statuses: list[int]) -> None:
    text: str = operation.get("description", "")
    operation["summary"] = re.split(r"[.:;,](?:\s|$)", text, maxsplit=1)[0]
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])
        parameter.setdefault("description", "")
    told: dict[str, Document] = operation["responses"]
    success = next(answer for status, answer in told.items() if status.startswith("2"))
    operation["responses"] = {str(status): _answer(status, success) for status in statuses}


def _answer(status: int, success: Document) -> Document:
    if status == 204:
        return {"description": _DONE[status]}
    if status < 300:
        return {**success, "description": _DONE[status]}
    schema = {"$ref": _REFERENCE.format(name=ProblemDetails.__name__)}
    return {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def _without_null(schema: Document) -> Document:
    """Return the schema of a parameter of a query, which can be left out but not be null."""
    others = [each for each in schema.get("oneOf", []) if each.get("type") != "null"]
    if len(others) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "oneOf"}
    return {**others[0], **rest} if "$ref" not in others[0] else {"allOf": others, **rest}


def _types() -> list[type]:
    """Return all structs that the API speaks of."""
    modules = [
        importlib.import_module(f"{resources.__name__}.{module.name}")
        for module in pkgutil.iter_modules(resources.__path__)
    ]
    found: list[type] = [ProblemDetails, health.Health, health.Version]
    for module in modules:
        for _, each in inspect.getmembers(module, inspect.isclass):
            if each.__module__ == module.__name__:
                found.append(each)
    return found


def _used(paths: dict[str, dict[str, Document]], schemas: dict[str, Document]) -> dict[str, Document]:
    """Return the schemas that are referred to, directly or by others."""
    wanted = list(_references(paths))
    used: dict[str, Document] = {}
    while wanted:
        name = wanted.pop()
        if name not in used:
            used[name] = schemas[name]
            wanted += _references(schemas[name])
    return dict(sorted(used.items()))


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in cast("dict[str, object]", value).items():
            if key == "$ref":
                yield str(each).rpartition("/")[2]
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _references(each)
