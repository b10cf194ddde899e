"""Runs the server: opens the store, listens, and stops in order. Nothing here knows a route."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.supervisors import Multiprocess

from dalsegno._backend.connect import open_store
from dalsegno.exceptions import ConfigurationError
from dalsegno.server.access.starting import prepare, tls_options
from dalsegno.server.application import create_app
from dalsegno.server.presence import Presence
from dalsegno.settings import Settings, get_current_settings

_SETTINGS = "DALSEGNO_SERVER_INHERITED"
"""Names the file by which the processes of one server learn what its command line gave of its settings."""
_LONGEST_STOP = 5  # seconds that requests may still take
_BACKLOG = 2048


def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `on_ready` is told the URL once requests are answered.

    Raises ConfigurationError if it cannot listen, and DatabaseError subclasses if the database cannot be used.
    """
    # Also where other processes serve: what is wrong with the database is said here, once.
    backend = open_store(settings)
    try:
        prepare(backend.database, settings.server)
        tls = tls_options(settings.server)
        with listen(settings.server.host, settings.server.port) as listening:
            presence = Presence.of(url_of(listening, "https" if tls else "http"), settings.home)
            with presence:
                if settings.server.workers > 1:
                    _serve_in_processes(settings, listening, lambda: on_ready(presence.url))
                else:
                    config = _config(create_app(backend, settings), settings)
                    _Server(config, lambda: on_ready(presence.url)).run([listening])
    finally:
        backend.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises ConfigurationError, which says why it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # Said to be TCP in so many words, or asyncio leaves Nagle's algorithm on and each answer waits 40 ms.
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        return listening
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"The server cannot listen on {host}, port {port}: {error}. See whether a server runs there already "
            "(`dalsegno server status`), or give another --host or --port."
        ) from None


def url_of(listening: socket.socket, scheme: str = "http") -> str:
    """Return the URL under which what listens can be reached from this machine."""
    name: tuple[str, int] = listening.getsockname()[:2]
    host, port = name
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{reached}]:{port}" if ":" in reached else f"{scheme}://{reached}:{port}"


def app_of_process() -> Litestar:
    """Return the application for one of several processes that serve, with a store of its own."""
    settings = get_current_settings()
    given = msgspec.json.decode(Path(os.environ[_SETTINGS]).read_bytes(), type=type(settings.server))
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
    # There are passwords in it, so it is a file for nobody else; a process that is started later reads it too.
    with tempfile.NamedTemporaryFile(prefix=".server-", dir=settings.home) as file:
        file.write(msgspec.json.encode(settings.server))
        file.flush()
        os.environ[_SETTINGS] = file.name
        _supervise(settings, listening, on_ready)


def _supervise(settings: Settings, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    config = _config(f"{__name__}:app_of_process", settings)
    supervisor = Multiprocess(config, [listening])
    # The socket listens already: a request waits in it until one of the processes takes it.
    on_ready()
    supervisor.run()


def _config(app: Litestar | str, settings: Settings) -> uvicorn.Config:
    """Return how to serve an application, or one that each process makes for itself."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=settings.server.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # whom to believe is decided in access.peers
        timeout_graceful_shutdown=_LONGEST_STOP,
        timeout_keep_alive=75,
        lifespan="on",
        **tls_options(settings.server),
    )
