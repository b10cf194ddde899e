"""`dalsegno server`: start the server, see whether it runs, stop it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from dalsegno.cli import server_services
from dalsegno.cli.options import group
from dalsegno.settings import get_current_settings

app = group("server", "Start and stop the server.")
app.command(server_services.app)


@app.command
def start(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="The port to listen on; 0: any that is free.")] = None,
) -> None:
    """Serve the API and the page over the database that the settings name, until it is stopped."""
    from dalsegno.server.running import serve

    settings = get_current_settings()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    changed = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))
    serve(changed, lambda url: print(f"Dalsegno serves {url} (API: {url}/api). Ctrl-C stops it.", flush=True))
