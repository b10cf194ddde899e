"""Picks the backend that the settings ask for and keeps it open: one for each database and process."""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, cast

from dalsegno._backend.protocol import Backend
from dalsegno.settings import Settings, get_current_settings
from dalsegno.settings.fields import ApiSettings

if TYPE_CHECKING:
    from dalsegno._backend.embedded import StoreBackend
    from dalsegno.results.server_files import ServerFiles

_open: dict[str | ApiSettings, Backend] = {}
"""By the URL of the database; or by what is said of the server, for two keys to one server are two backends."""
_lock = threading.Lock()


def connect() -> Backend:
    """Return the backend that the settings in force here ask for.

    Raises ConfigurationError if there is none, and DatabaseError subclasses if its database cannot be used.
    """
    settings = get_current_settings()
    name = settings.database.url if settings.api.url is None else settings.api
    backend = _open.get(name)
    if backend is None:
        with _lock:
            backend = _open.get(name)
            if backend is None:
                backend = _remote(settings) if isinstance(name, ApiSettings) else _embedded(name, settings)
                _open[name] = backend
    return backend


def open_remote(settings: Settings) -> Backend:
    """Open a connection of its own to the server that the settings name; whoever opens it closes it."""
    from dalsegno._backend.http import HttpBackend

    # Its operations are made from the protocol itself.
    return cast("Backend", HttpBackend(settings))


def open_store(settings: Settings) -> StoreBackend:
    """Open the database that the settings name, for a server, which also brings its tables to this version; whoever
    opens it closes it."""
    return _embedded(settings.database.url, settings, upgrade=True)


def open_in_memory() -> Backend:
    """Open an empty database that is gone when it is closed, and have `connect` give it for its URL; for tests."""
    from dalsegno._backend.embedded import StoreBackend

    backend = StoreBackend.in_memory()
    with _lock:
        _open[backend.url] = backend
    return backend


def close(url: str) -> None:
    """Close the backends of one URL, of a database or a server."""
    with _lock:
        names = [name for name in _open if (name.url if isinstance(name, ApiSettings) else name) == url]
        backends = [_open.pop(name) for name in names]
    for backend in backends:
        backend.close()


def close_all() -> None:
    """Close every backend that this process has open."""
    with _lock:
        backends = list(_open.values())
        _open.clear()
    for backend in backends:
        backend.close()


def _remote(settings: Settings) -> Backend:
    from dalsegno.results import server_files

    server_files.found_by(_server_files)
    return open_remote(settings)


def _server_files() -> ServerFiles | None:
    return None if get_current_settings().api.url is None else cast("ServerFiles", connect())


def _embedded(url: str, settings: Settings, *, upgrade: bool = False) -> StoreBackend:
    from dalsegno._backend.embedded import StoreBackend

    return StoreBackend.open(
        url,
        busy_timeout=settings.database.busy_timeout,
        allow_network_file_system=settings.database.allow_network_file_system,
        pgbouncer=settings.database.pgbouncer,
        listen_url=settings.database.listen_url,
        runs_age=settings.retention.runs,
        logs_age=settings.retention.logs,
        lease=settings.leases.length,
        late_after=settings.scheduler.late_after,
        upgrade=upgrade,
    )


def _forget() -> None:
    # The databases themselves closed before the fork; a child opens its own.
    global _lock
    _lock = threading.Lock()
    _open.clear()


os.register_at_fork(after_in_child=_forget)
atexit.register(close_all)
