"""Checks the page's types: `python ui/check.py`, after `ui/api_types.py` wrote those of the API."""

from __future__ import annotations

import subprocess
import sys

import build


def main() -> int:
    """Run the compiler for its errors alone."""
    try:
        npm = build.find_npm()
        build.install(npm)
    except build.CannotBuild as error:
        print(f"The page's types were not checked. {error}")
        return 0
    return subprocess.run([*npm, "run", "--silent", "check"], cwd=build.SOURCES).returncode


if __name__ == "__main__":
    sys.exit(main())
