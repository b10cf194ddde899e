"""Whether the server is there, and which version it is."""

from __future__ import annotations

from dalsegno.client.calls import Call, get
from dalsegno.client.operation import operation
from dalsegno.model.resources.health import Health, Version
from dalsegno.model.resources.services import ServiceView


class ServerOperations:
    """Operations on the server itself."""

    @operation
    def read_health(self) -> Call[Health]:
        """Return that the server is there; it does not look at the database."""
        return get("health", Health)

    @operation
    def read_ready(self) -> Call[Health]:
        """Return that the server can reach its database. Raises BackendUnavailable if it cannot."""
        return get("ready", Health)

    @operation
    def read_version(self) -> Call[Version]:
        """Return the version of the server, and of the clients that it works with."""
        return get("version", Version)

    @operation
    def read_services(self) -> Call[list[ServiceView]]:
        """Return the loops of the server process that answers, and how they do."""
        return get("services", list[ServiceView])
