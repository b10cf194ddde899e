"""The loops that this server process runs beside its requests."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from dalsegno.model.resources.services import ServiceView
from dalsegno.server.services import Services


@get("/api/services", tags=["Server"], operation_id="list_services")
async def list_services(request: Request[Any, Any, Any]) -> list[ServiceView]:
    """List the loops of the server process that answers, and how they do; none where they are switched off."""
    services: Services = request.app.state.services
    return services.list()


routes = [list_services]
