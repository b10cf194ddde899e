"""Values given on the command line: JSON where it is JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: str) -> Any:
    """Return what a JSON text holds. Raises ValueError if it is none; NaN and Infinity are none."""
    return json.loads(text, parse_constant=_refuse)


def json_or_text(text: str) -> Any:
    """Return what a text holds as JSON, or the text itself."""
    try:
        return read_json(text)
    except ValueError:
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
