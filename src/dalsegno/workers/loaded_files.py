"""Which files of a user's own a process has loaded, and whether they are still the same."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from typing import Any

from dalsegno.workers.orders import FileStamp


def stamps_of_loaded(since: int) -> list[FileStamp]:
    """Return the files of all modules that are loaded, but of installed packages, Python's own and ours.

    One that was written after `since` (nanoseconds) may not be what was loaded, and counts as changed.
    """
    passed_over = _installed_folders()
    found: list[FileStamp] = []
    for path in sorted({path for module in list(sys.modules.values()) if (path := _file_of(module)) is not None}):
        if path.startswith(passed_over):
            continue
        stamp = stamp_of(path)
        found.append(FileStamp(path, 0, 0, 0) if stamp is None or stamp.modified >= since else stamp)
    return found


def unchanged(stamps: list[FileStamp]) -> bool:
    """Tell whether all these files are what they were."""
    return all(stamp_of(stamp.path) == stamp for stamp in stamps)


def stamp_of(path: str) -> FileStamp | None:
    """Return what a file is now; None: it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileStamp(path, found.st_mtime_ns, found.st_size, found.st_ino)


def compile_own_files() -> None:
    """Have this process compile a user's own files from their source, and neither read nor write bytecode of them.

    Bytecode is taken for that of a source of the same size and second, so an edit right after a run could be missed.
    """
    passed_over = _installed_folders()
    stats = SourceFileLoader.path_stats

    def path_stats(self: SourceFileLoader, path: str) -> Mapping[str, Any]:
        if not os.path.abspath(path).startswith(passed_over):
            raise OSError("Bytecode of this file is not used.")  # What Python takes for: there is none.
        return stats(self, path)

    SourceFileLoader.path_stats = path_stats


def _file_of(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return os.path.abspath(file) if isinstance(file, str) else None


def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    folders.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return tuple({os.path.join(os.path.abspath(folder), "") for folder in folders})
