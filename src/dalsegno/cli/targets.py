"""From `FILE_OR_MODULE[:flow]` to the flow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError


def load_flow(target: str) -> Any:
    """Return the flow that a target names. Raises CommandError if there is none, or more than one."""
    place, name = split(target)
    if is_file(place):
        check_file(place)
        place = str(Path(place).absolute())
    return load_entrypoint(f"{place}:{name}" if name else place)


def load_entrypoint(entrypoint: str) -> Any:
    """Return the flow of an entry point."""
    from dalsegno.flows import load_flow_from_entrypoint

    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


def split(target: str) -> tuple[str, str | None]:
    """Return the place and the flow's name, if there is one."""
    place, separator, name = target.rpartition(":")
    if not separator or not name.replace(".", "_").isidentifier():
        return target, None
    return place, name


def is_file(place: str) -> bool:
    """Tell whether a place is a file rather than a module."""
    return place.endswith(".py") or os.sep in place or Path(place).exists()


def check_file(place: str) -> None:
    """Raise CommandError unless there is a file to read."""
    path = Path(place)
    if not path.exists():
        raise CommandError(f"There is no file {place!r} (in {Path.cwd()}).", ExitCode.NOT_FOUND)
    if path.is_dir():
        raise CommandError(f"{place!r} is a folder; name a file in it, as in {Path(place) / 'flow.py'}.")
