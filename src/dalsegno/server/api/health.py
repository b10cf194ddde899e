"""Is the server there, can it do its work, which version is it: what load balancers and clients ask first."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

import dalsegno
from dalsegno.model.resources.health import Health, Version
from dalsegno.server import versions
from dalsegno.server.asking import ask_at_once


@get("/api/health", tags=["Server"], operation_id="read_health")
async def health() -> Health:
    """Say that the server is there. It does not look at the database."""
    return Health()


@get("/api/ready", tags=["Server"], operation_id="read_ready")
async def ready(request: Request[Any, Any, Any]) -> Health:
    """Say that the server can reach its database; 503 if it cannot."""
    await ask_at_once(request, request.app.state.backend.change_token)
    return Health("ready")


@get("/api/version", tags=["Server"], operation_id="read_version")
async def version() -> Version:
    """Return the version of the server."""
    return Version(
        version=dalsegno.__version__,
        oldest_client=versions.oldest_client(),
        newest_client=versions.newest_client(),
    )


routes = [health, ready, version]
