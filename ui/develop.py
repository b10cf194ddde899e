"""Serves the page's sources with hot reload: `python ui/develop.py`, beside a server that answers for the API."""

from __future__ import annotations

import subprocess
import sys

import build


def main() -> int:
    """Run Vite until it is stopped."""
    try:
        npm = build.find_npm()
        build.install(npm)
    except build.CannotBuild as error:
        print(error, file=sys.stderr)
        return 1
    try:
        return subprocess.run([*npm, "run", "dev"], cwd=build.SOURCES).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
