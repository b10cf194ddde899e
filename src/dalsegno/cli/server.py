"""`dalsegno server`: start the server, see whether it runs, stop it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from dalsegno.cli import server_database, server_services
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import Output, group
from dalsegno.cli.server_admin import create_admin
from dalsegno.settings import Settings, get_current_settings

if TYPE_CHECKING:
    from dalsegno.server.presence import Presence

_NAP = 0.05  # seconds between two looks at what another process does

app = group("server", "Start and stop the server.")
app.command(create_admin)
app.command(server_services.app)
app.command(server_database.app)

Port = Annotated[int | None, Parameter(help="The port; by default the setting server.port.")]


@app.command
def start(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on.")] = None,
    port: Annotated[int | None, Parameter(help="The port to listen on; 0: any that is free.")] = None,
    workers: Annotated[int | None, Parameter(help="How many processes serve.")] = None,
    background: Annotated[bool, Parameter(name=["--background", "-b"], help="Return once it is ready.")] = False,
) -> None:
    """Serve the API and the page over the database that the settings name, until it is stopped."""
    if workers is not None and workers < 1:
        raise CommandError(f"--workers is {workers}, but at least one process must serve.")
    if port is not None and not 0 <= port < 65536:
        raise CommandError(f"--port is {port}, but ports go from 0 to 65535.")
    settings = _changed(get_current_settings(), host=host, port=port, workers=workers)
    if background:
        from dalsegno.cli import server_background

        server_background.start(settings)
    else:
        from dalsegno.server.running import serve

        serve(settings, _announce)


@app.command
def status(
    *,
    port: Port = None,
    wait: Annotated[bool, Parameter(help="Wait until it is ready.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that --wait waits.")] = 60.0,
    output: Output = "table",
) -> int:
    """Say whether a server answers, where, and of which version; exit code 6 if none does."""
    from dalsegno.cli.server_status import ask

    url = _url(get_current_settings(), port)
    give_up = time.monotonic() + timeout
    found = ask(url)
    while wait and not found.ready and time.monotonic() < give_up:
        time.sleep(_NAP)
        found = ask(url)
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print(found.sentence)
    return ExitCode.OK if found.ready else ExitCode.BACKEND


@app.command
def stop(
    *,
    port: Port = None,
    timeout: Annotated[float, Parameter(help="Seconds to wait for its end.")] = 30.0,
) -> None:
    """Stop the servers of this home folder on this machine, or the one on a port."""
    from dalsegno.server.presence import running

    settings = get_current_settings()
    found = [each for each in running(settings.home) if port in (None, each.port)]
    if not found:
        where = "" if port is None else f" on port {port}"
        raise CommandError(
            f"No server{where} was started with the home folder {settings.home} on this machine.", ExitCode.NOT_FOUND
        )
    for each in found:
        each.ask_to_stop()
    for each in found:
        _await_end(each, timeout)
        print(f"The server at {each.url} has stopped.")


def _await_end(server: Presence, timeout: float) -> None:
    give_up = time.monotonic() + timeout
    while server.is_there():
        if time.monotonic() > give_up:
            raise CommandError(
                f"The server at {server.url} (process {server.process.pid}) still runs after {timeout:g} seconds. "
                "It may be waiting for its database; end it with `kill -9`, which loses nothing."
            )
        time.sleep(_NAP)


def _announce(url: str) -> None:
    print(f"Dalsegno serves {url} (API: {url}/api). Ctrl-C stops it.", flush=True)


def _changed(settings: Settings, **given: object) -> Settings:
    chosen = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **chosen))


def _url(settings: Settings, port: int | None) -> str:
    if port is None and settings.api.url is not None:
        return settings.api.url.rstrip("/").removesuffix("/api")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port if port is None else port}"
