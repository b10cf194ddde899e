"""Opening the backend for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend


def open_backend(*, runs: bool = True) -> Backend:
    """Return the backend of the settings in force.

    With `runs`, what processes that are gone left on this machine is delivered first, and their runs are marked
    Crashed: no run lies.
    """
    from dalsegno._backend.connect import connect

    backend = connect()
    if runs:
        if backend.spools:
            _deliver_left(backend)
        backend.find_crashed()
    return backend


def _deliver_left(backend: Backend) -> None:
    from dalsegno._journal.carrier import say
    from dalsegno._journal.folder import SpoolFolder
    from dalsegno._journal.leftovers import deliver_left
    from dalsegno.settings import get_current_settings

    folder = SpoolFolder(get_current_settings().home, backend.url)
    if folder.left():
        deliver_left(backend, folder, say)
