"""`dalsegno version`: answers without loading anything that takes time."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import dalsegno

USAGE = """Usage: dalsegno version [--output json]

Show the version of Dalsegno and of the Python that runs it.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the version; the only command that parses its few arguments by itself."""
    match list(arguments):
        case []:
            print(f"dalsegno {dalsegno.__version__} (Python {python_version()}, {sys.platform})")
        case ["--output" | "-o", "json"] | ["--output=json"]:
            print_json()
        case ["--help" | "-h", *_]:
            print(USAGE, end="")
        case other:
            print(f"Error: Unknown argument {other[0]!r}; see `dalsegno version --help`.", file=sys.stderr)
            return 2
    return 0


def python_version() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def print_json() -> None:
    import json
    import sqlite3

    found = {
        "version": dalsegno.__version__,
        "python": python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": sys.platform,
    }
    print(json.dumps(found, indent=2))
