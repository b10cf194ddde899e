"""Code that was fetched, in `DALSEGNO_HOME/code`: a folder for each version of each source, whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dalsegno.settings import get_current_settings

_KEPT = 5
"""Versions of one source that are kept in any case."""
_UNUSED = 7 * 86400.0
"""Seconds after which one that nobody used goes: a run may go on in its folder for days."""


def fetched(source: str, version: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder that holds a version of a source, filled by `fill` if it is not there.

    Several processes may do this at once: each fills a folder of its own, and one of them becomes the version's.
    """
    place = _places() / hashlib.sha256(source.encode()).hexdigest()[:20]
    folder = place / version
    if folder.is_dir():
        os.utime(folder)
        return folder
    place.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
    try:
        fill(new)
        try:
            os.rename(new, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _tidy(place, folder)
    return folder


def _places() -> Path:
    return Path(get_current_settings().home) / "code"


def _tidy(place: Path, current: Path) -> None:
    used: list[tuple[float, Path]] = []
    for each in place.iterdir():
        try:
            used.append((each.stat().st_mtime, each))
        except FileNotFoundError:
            continue  # Another process tidies too.
    used.sort(reverse=True)
    for when, each in used[_KEPT:]:
        if each != current and time.time() - when > _UNUSED:
            shutil.rmtree(each, ignore_errors=True)
