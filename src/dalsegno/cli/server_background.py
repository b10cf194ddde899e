"""Starts a server that goes on when the command has ended, and waits until it is ready."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError, is_expected, report
from dalsegno.settings import Settings, get_current_settings
from dalsegno.settings.fields import ServerSettings

_LAST_LINES = 10


def start(settings: Settings) -> None:
    """Start it in a session of its own, with its output in a file, and say where it serves."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = settings.home / "server.log"
    reading, writing = os.pipe()
    with open(log, "ab") as output, open(reading, encoding="utf-8") as ready:
        begins = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(writing), msgspec.json.encode(settings.server).decode()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[writing],
        )
        os.close(writing)
        # It says its URL, or it ends, and with it the last copy of the pipe's other end.
        url = ready.readline().strip()
    if not url:
        process.wait()
        said = log.read_bytes()[begins:].decode(errors="replace").splitlines()
        raise CommandError(f"The server did not start; see {log}.", ExitCode.FAILED, said[-_LAST_LINES:])
    print(f"Dalsegno serves {url} (API: {url}/api). `dalsegno server stop` stops it; its output goes to {log}.")


def main(writing: int, given: ServerSettings) -> int:
    """Be the server: what `start` starts."""
    from dalsegno.server.running import serve

    os.set_inheritable(writing, False)

    def announce(url: str) -> None:
        print(f"Dalsegno serves {url}.", flush=True)
        with open(writing, "w", encoding="utf-8") as ready:
            ready.write(f"{url}\n")

    try:
        serve(msgspec.structs.replace(get_current_settings(), server=given), announce)
    except Exception as error:
        return report(error, with_traceback=not is_expected(error))
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=ServerSettings)))
