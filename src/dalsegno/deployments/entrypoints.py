"""Where the code of a flow that is deployed is: its entry point, from which folder, and in which state."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from dalsegno._engine.entrypoints import parse_entrypoint
from dalsegno._engine.sources import file_hash
from dalsegno.exceptions import EntrypointError
from dalsegno.model.deployments import CodeSource

_PATIENCE = 10.0
"""Seconds that git is given."""


class EntrypointType(StrEnum):
    """How the code of a deployment is found."""

    FILE_PATH = "file_path"
    """``path/to/file.py:flow``, relative to the folder that the program was started in."""
    MODULE_PATH = "module_path"
    """``package.module:flow``, which must be installed, or in that folder."""


def local_source(flow: Any, kind: EntrypointType = EntrypointType.FILE_PATH) -> CodeSource:
    """Return where the code of a flow is on this machine.

    Raises EntrypointError for a flow that cannot be found from outside (of a notebook, inside another function).
    """
    entry = flow.entry
    if entry.entrypoint is None:
        raise EntrypointError(
            f"The flow {flow.name!r} cannot be deployed: {entry.reason}. Put it at the top level of a file."
        )
    target = parse_entrypoint(entry.entrypoint)
    folder = Path(entry.working_directory)
    if kind is EntrypointType.MODULE_PATH or not target.is_file:
        return _by_module(flow, folder, target.name)
    path = Path(target.place)
    if not path.is_relative_to(folder):
        folder = path.parent
    return CodeSource(
        entrypoint=f"{path.relative_to(folder)}:{target.name}",
        path=str(folder),
        interpreter=sys.executable or None,
        code_version=code_version(path),
    )


def code_version(file: Path) -> str | None:
    """Return what differs when the code does: the commit, where nothing was changed since, else a hash of the file."""
    return _clean_commit(file.parent) or file_hash(file)


def _by_module(flow: Any, folder: Path, name: str | None) -> CodeSource:
    module = flow.fn.__module__
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    file = getattr(loaded, "__file__", None)
    if module == "__main__" and spec is None and file is not None:
        module = Path(file).stem
    elif spec is not None:
        module = spec.name
    return CodeSource(
        entrypoint=f"{module}:{name or flow.fn.__qualname__}",
        path=str(folder),
        interpreter=sys.executable or None,
        code_version=None if file is None else code_version(Path(file)),
    )


def _clean_commit(folder: Path) -> str | None:
    if _git(folder, "status", "--porcelain") != "":
        return None
    return _git(folder, "rev-parse", "HEAD") or None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says, None if it says no, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
