"""A server for one test, in a thread of its own behind a real socket: what flows record goes through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from dalsegno._backend.embedded import StoreBackend
from dalsegno.server.application import create_app
from dalsegno.settings import get_current_settings


@contextmanager
def serving(backend: StoreBackend) -> Iterator[str]:
    """Serve a store; gives the URL of its API."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    app = create_app(backend, get_current_settings())
    config = uvicorn.Config(app, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="test-server")
    thread.start()
    try:
        # The socket listens already, so nobody has to wait until the server takes its first request.
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api"
    finally:
        # What a signal does to a server in a process of its own.
        app.state.hub.stop_soon()
        server.should_exit = True
        thread.join()
        listening.close()
