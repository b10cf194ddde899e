"""Says over HTTP whether a worker is well, for whoever restarts it if it is not; to this machine alone by default."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

_SILENT = 3.0
"""Leases for which its backend may not have answered."""


class Watched(Protocol):
    """What is asked for its health: a worker of flow runs, or of task runs."""

    @property
    def name(self) -> str: ...

    type: ClassVar[str]

    @property
    def work_pool_name(self) -> str | None: ...
    @property
    def limit(self) -> int: ...
    @property
    def heard_at(self) -> float: ...
    @property
    def lease(self) -> float: ...
    @property
    def is_draining(self) -> bool: ...
    @property
    def running(self) -> int: ...


def health_of(worker: Watched) -> tuple[bool, dict[str, Any]]:
    """Return whether a worker is well, and what there is to say of it."""
    silent = time.monotonic() - worker.heard_at
    well = silent < _SILENT * worker.lease
    return well, {
        "name": worker.name,
        "type": worker.type,
        "work_pool": worker.work_pool_name,
        "status": "draining" if worker.is_draining else "ready" if well else "cut off",
        "running": worker.running,
        "limit": worker.limit,
        "seconds_since_answer": round(silent, 1),
    }


class HealthServer:
    """Answers `GET /health`: 200 if the worker is well, else 503."""

    def __init__(self, worker: Watched, host: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, worker)

            def log_message(self, format: str, *args: Any) -> None:
                """Be quiet: it is asked every few seconds."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="dalsegno-health", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/health"

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


def _answer(handler: BaseHTTPRequestHandler, worker: Watched) -> None:
    well, said = health_of(worker)
    known = handler.path.partition("?")[0].rstrip("/") in ("/health", "")
    body = json.dumps(said if known else {"detail": "There is only /health here."}).encode()
    handler.send_response((200 if well else 503) if known else 404)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
