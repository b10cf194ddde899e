"""Is the server there, can it do its work, which version is it: what load balancers and clients ask first."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get

import dalsegno
from dalsegno.server.asking import ask


class Health(msgspec.Struct):
    """The server is there."""

    status: str = "ok"


class Version(msgspec.Struct):
    """Which version the server is, and the oldest and newest of the clients that it works with."""

    version: str
    oldest_client: str
    newest_client: str


@get("/api/health", tags=["Server"], operation_id="read_health")
async def health() -> Health:
    """Say that the server is there. It does not look at the database."""
    return Health()


@get("/api/ready", tags=["Server"], operation_id="read_ready")
async def ready(request: Request[Any, Any, Any]) -> Health:
    """Say that the server can reach its database; 503 if it cannot."""
    await ask(request, request.app.state.backend.change_token)
    return Health("ready")


@get("/api/version", tags=["Server"], operation_id="read_version")
async def version() -> Version:
    """Return the version of the server."""
    major, minor, *_ = (int(part) for part in dalsegno.__version__.split("."))
    return Version(
        version=dalsegno.__version__,
        oldest_client=f"{major}.{max(0, minor - 1)}",
        newest_client=f"{major}.{minor + 1}",
    )


routes = [health, ready, version]
