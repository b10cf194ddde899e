"""Opening the backend for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend


def open_backend(*, runs: bool = True) -> Backend:
    """Return the backend of the settings in force.

    With `runs`, those whose process on this machine is gone are marked Crashed first: no run lies.
    """
    from dalsegno._backend.connect import connect

    backend = connect()
    if runs:
        backend.find_crashed()
    return backend
