"""Deletes the files of results that lie outside the database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, cast

from dalsegno.model.results import unpack_stored
from dalsegno.settings import get_current_settings

_OWN_STORAGE = "dalsegno://results/"
"""Where the URLs of files begin that runs on other machines gave to this store's server (`results.server_files`)."""


def delete_files(root: bytes, results: Iterable[bytes | None]) -> None:
    """Delete the files of packed results that lie in the root run's own folder; others may be of use elsewhere."""
    # By the whole name: whoever records a run chooses the URL, and must not have others' files deleted by it.
    own_name = re.compile(rf"/{root.hex()}/[0-9a-f]{{32}}-\d+\.result\Z")
    for result in results:
        stored = None if result is None else unpack_stored(result)
        if stored is not None and stored.url is not None and own_name.search(stored.url):
            _delete_file(stored.url)


def _delete_file(url: str) -> None:
    """Delete a file and, if it is empty then, its folder. What cannot be deleted is not worth an error."""
    if url.startswith(_OWN_STORAGE):
        settings = get_current_settings()
        url = f"{settings.results.storage or settings.home / 'results'}/{url.removeprefix(_OWN_STORAGE)}"
    path = url.removeprefix("file://")
    try:
        if "://" in path:
            _delete_remote(url)
        else:
            os.remove(path)
            os.rmdir(os.path.dirname(path))
    except (OSError, ImportError):
        return


def _delete_remote(url: str) -> None:
    import fsspec

    file_system, name = cast("Any", fsspec).core.url_to_fs(url)
    file_system.rm_file(name)
