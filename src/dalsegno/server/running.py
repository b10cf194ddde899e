"""Runs the server: opens the store, listens, and stops in order."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from dalsegno._backend.connect import open_store
from dalsegno.server.access.starting import prepare, tls_options
from dalsegno.server.application import create_app
from dalsegno.settings import Settings


class ServerProcess(uvicorn.Server):
    """A uvicorn server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say under which URL."""
        await super().startup(sockets)
        if self.started:
            self._on_ready(_url_of(self.servers[0].sockets[0], "https" if self.config.is_ssl else "http"))


def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `on_ready` is told the URL once requests are answered."""
    backend = open_store(settings)
    try:
        prepare(backend.database, settings.server)
        config = uvicorn.Config(
            create_app(backend, settings),
            host=settings.server.host,
            port=settings.server.port,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,  # whom to believe is decided in access.peers
            **tls_options(settings.server),
            timeout_graceful_shutdown=5,
            lifespan="on",
        )
        ServerProcess(config, on_ready).run()
    finally:
        backend.close()


def _url_of(listening: socket.socket, scheme: str) -> str:
    host, port = listening.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
