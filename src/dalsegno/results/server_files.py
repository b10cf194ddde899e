"""Result files that a server keeps: where their URLs begin, and who fetches them for this process.

``dalsegno://results/NAME`` is a file in the server's own result storage. In a process that works without a server (the
server itself, or a command beside its database) it is a file in the storage of these settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SCHEME = "dalsegno://results/"


class ServerFiles(Protocol):
    """The part of a backend over HTTP that sends and fetches files.

    Raises MissingResult, and StorageError for everything else.
    """

    def write_result_file(self, name: str, data: bytes) -> None: ...
    def read_result_file(self, name: str) -> bytes: ...
    def result_file_exists(self, name: str) -> bool: ...
    def delete_result_file(self, name: str) -> bool: ...


_find: Callable[[], ServerFiles | None] | None = None


def found_by(find: Callable[[], ServerFiles | None]) -> None:
    """Say how the server of the settings in force is found; None: there is none, or it is this process."""
    global _find
    _find = find


def server_files() -> ServerFiles | None:
    """Return who sends and fetches the files of the server in use here."""
    return None if _find is None else _find()


def own_storage() -> str:
    """Return the storage of this process's own settings: a folder or an fsspec URL."""
    from dalsegno.settings import get_current_settings

    settings = get_current_settings()
    return settings.results.storage or str(settings.home / "results")


def default_storage() -> str:
    """Return where results over the blob limit go: the server's storage where there is one and nothing else is set."""
    from dalsegno.settings import get_current_settings

    settings = get_current_settings()
    if settings.results.storage is None and settings.api.url is not None:
        return SCHEME
    return own_storage()
