"""Whether parameters fit the JSON schema of a deployment's flow: which does not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from dalsegno.exceptions import InvalidParameters

_MOST_NAMED = 5


def check_parameters(deployment: str, schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Raise InvalidParameters, which names each field and why it does not fit; a flow's own defaults count."""
    if not schema:
        return
    found = sorted(
        _validator(msgspec.json.encode(schema)).iter_errors(dict(parameters)), key=lambda error: str(error.path)
    )
    told = [_told(error) for error in found[:_MOST_NAMED]]
    told += [
        f"{name}: there is no such parameter"
        for name in parameters
        if name not in schema.get("properties", {}) and not schema.get("additionalProperties")
    ]
    if told:
        raise InvalidParameters(f"The parameters do not fit deployment {deployment!r}: {'; '.join(told)}.")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(msgspec.json.decode(schema))


def _told(error: Any) -> str:
    place = ".".join(map(str, error.absolute_path))
    return f"{place}: {error.message}" if place else error.message
