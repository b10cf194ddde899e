"""Folders behind URLs of any kind that fsspec knows, copied to this machine once for each state that they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dalsegno._code import templates
from dalsegno._code.cache import fetched
from dalsegno._code.repositories import without_secret
from dalsegno.exceptions import CodeUnavailable

_STAMPS = (
    "ETag",
    "etag",
    "checksum",
    "md5",
    "last_modified",
    "LastModified",
    "mtime",
    "updated",
    "created",
    "mtime_ns",
)


def copy(url: str, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> tuple[Path, str]:
    """Return the folder that holds a copy of what is behind a URL, and what differs when that does.

    `settings` are those of the file system, such as keys. Raises CodeUnavailable.
    """
    lookup = templates.from_environment(environment)
    place: str = templates.render(url, lookup)
    options: dict[str, Any] = templates.render(dict(settings), lookup)
    try:
        return _copy(place, options)
    except CodeUnavailable:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        for secret in _secrets(options):
            reason = reason.replace(secret, "***")
        raise CodeUnavailable(f"The code at {without_secret(url)} cannot be had: {reason}.") from error


def _copy(url: str, options: dict[str, Any]) -> tuple[Path, str]:
    import fsspec

    core: Any = fsspec.core
    file_system, root = core.url_to_fs(url, **options)
    files: dict[str, dict[str, Any]] = file_system.find(root, detail=True)
    if not files:
        raise CodeUnavailable(f"There are no files at {without_secret(url)}.")
    version = _version(root, files)

    def fill(folder: Path) -> None:
        for path in files:
            target = folder / _relative(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            file_system.get_file(path, str(target))

    return fetched(f"remote\0{url}", version, fill), version


def _version(root: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        stamps = [str(files[path].get(name)) for name in _STAMPS if files[path].get(name) is not None]
        digest.update("\0".join([_relative(root, path), str(files[path].get("size")), *stamps, "\n"]).encode())
    return digest.hexdigest()[:40]


def _relative(root: str, path: str) -> str:
    relative = PurePosixPath(path).relative_to(PurePosixPath(root.rstrip("/") or "/"))
    if ".." in relative.parts:
        raise CodeUnavailable(f"A file is called {path!r}, which would lead out of its folder.")
    return str(relative)


def _secrets(options: Mapping[str, Any]) -> list[str]:
    return [value for value in options.values() if isinstance(value, str) and len(value) > 3]
