"""`dalsegno server services`: the loops that a server runs beside its requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.listing import Table, show_list
from dalsegno.cli.options import Output, group
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Cell, Column
from dalsegno.model.resources.services import ServiceView
from dalsegno.settings import Settings, get_current_settings

NONE = "The server runs no services: DALSEGNO_SERVER_SERVICES is off."

app = group("services", "The loops that a server runs: leases, retention.")


@app.command
def ls(*, output: Output = "table") -> None:
    """List the services of the server that DALSEGNO_API_URL names, and how they do."""
    found = read_services(get_current_settings())
    show_list(iter(found), None, output, service_rows, empty=NONE)


def read_services(settings: Settings) -> list[ServiceView]:
    """Ask the server. Raises CommandError."""
    import httpx

    api = settings.api
    if api.url is None:
        raise CommandError("Services are the server's: set DALSEGNO_API_URL to its address, as it says when it starts.")
    headers = {"authorization": f"Bearer {api.key}"} if api.key else {}
    address = f"{api.url.rstrip('/').removesuffix('/api')}/api/services"
    try:
        answer = httpx.get(address, headers=headers, timeout=api.timeout, verify=_trust(settings))
    except httpx.HTTPError as error:
        raise CommandError(f"The server at {api.url} cannot be reached: {error}.") from None
    if answer.status_code != 200:
        raise CommandError(f"The server at {api.url} answers {answer.status_code}: {answer.text[:200]}")
    return msgspec.json.decode(answer.content, type=list[ServiceView])


def service_rows(services: Sequence[ServiceView], screen: Screen) -> Table:
    """Return services as rows."""
    at = times.now()
    heads = (
        Column("NAME"),
        Column("LAST TICK"),
        Column("NEXT"),
        Column("TICKS", right=True),
        Column("ERRORS", right=True),
        Column("LAST ERROR", shrinks=True),
        Column("WHAT IT DOES", shrinks=True),
    )
    return Table(heads, [_row(service, at) for service in services])


def _row(service: ServiceView, at: int) -> list[str | Cell]:
    last, then = service.last_tick, service.next_tick
    return [
        service.name,
        "" if last is None else times.ago(last, at),
        "" if then is None else f"in {max(0, then - at) / 1e6:.0f} s",
        str(service.ticks),
        Cell(str(service.errors), "red" if service.errors else None),
        service.last_error or "",
        service.what,
    ]


def _trust(settings: Settings) -> Any:
    api = settings.api
    if not api.tls_verify:
        return False
    if api.tls_ca_file is None:
        return True
    import ssl

    return ssl.create_default_context(cafile=str(api.tls_ca_file))
