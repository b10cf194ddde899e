"""Runs the server: opens the store, listens, and stops in order. Nothing here knows a route."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.supervisors import Multiprocess

from dalsegno._backend.connect import open_store
from dalsegno.exceptions import ConfigurationError
from dalsegno.server.application import create_app
from dalsegno.server.presence import Presence
from dalsegno.settings import Settings, get_current_settings

_SETTINGS = "DALSEGNO_SERVER_INHERITED"
"""How the processes of one server learn the part of its settings that its command line gave."""
_LONGEST_STOP = 5  # seconds that requests may still take


def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `on_ready` is told the URL once requests are answered.

    Raises ConfigurationError if it cannot listen, and DatabaseError subclasses if the database cannot be used.
    """
    # Also where other processes serve: what is wrong with the database is said here, once.
    backend = open_store(settings)
    try:
        with listen(settings.server.host, settings.server.port) as listening:
            presence = Presence.of(url_of(listening), settings.home)
            with presence:
                if settings.server.workers > 1:
                    _serve_in_processes(settings, listening, lambda: on_ready(presence.url))
                else:
                    app = create_app(backend, settings)
                    _Server(_config(app), lambda: on_ready(presence.url)).run([listening])
    finally:
        backend.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises ConfigurationError, which says why it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"The server cannot listen on {host}, port {port}: {error}. See whether a server runs there already "
            "(`dalsegno server status`), or give another --host or --port."
        ) from None


def url_of(listening: socket.socket) -> str:
    """Return the URL under which what listens can be reached from this machine."""
    name: tuple[str, int] = listening.getsockname()[:2]
    host, port = name
    return url_at(host, port)


def url_at(host: str, port: int) -> str:
    """Return the URL of a server that listens on an address, as it is reached from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def app_of_process() -> Litestar:
    """Return the application for one of several processes that serve, with a store of its own."""
    settings = get_current_settings()
    given = msgspec.json.decode(os.environ[_SETTINGS], type=type(settings.server))
    settings = msgspec.structs.replace(settings, server=given)
    backend = open_store(settings)
    app = create_app(backend, settings)
    app.on_shutdown.append(backend.close)
    return app


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _serve_in_processes(settings: Settings, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    os.environ[_SETTINGS] = msgspec.json.encode(settings.server).decode()
    config = _config(f"{__name__}:app_of_process", factory=True, workers=settings.server.workers)
    supervisor = Multiprocess(config, [listening])
    # The socket listens already: a request waits in it until one of the processes takes it.
    on_ready()
    supervisor.run()


def _config(app: Litestar | str, *, factory: bool = False, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_LONGEST_STOP,
        timeout_keep_alive=75,
        lifespan="on",
    )
