"""Whether values fit the JSON schema that is asked for, of a deployment's flow or of a run that waits: which does not,
and why.
"""

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
    told = [f"{place}: {what}" if place else what for place, what in misfits(schema, dict(parameters))[:_MOST_NAMED]]
    told += [
        f"{name}: there is no such parameter"
        for name in parameters
        if name not in schema.get("properties", {}) and not schema.get("additionalProperties")
    ]
    if told:
        raise InvalidParameters(f"The parameters do not fit deployment {deployment!r}: {'; '.join(told)}.")


def misfits(schema: Mapping[str, Any], value: Any) -> list[tuple[str, str]]:
    """Return what does not fit: where (``"orders.0.id"``; ``""`` for the whole) and why."""
    found = _validator(msgspec.json.encode(schema)).iter_errors(value)
    return [(".".join(map(str, error.absolute_path)), error.message) for error in sorted(found, key=_place)]


def _place(error: Any) -> str:
    return str(error.path)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(msgspec.json.decode(schema))
