"""A PostgreSQL server of the benchmark's own, from the machine's binaries, with the settings that it comes with; each
server that is measured has a database of its own in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import serving

USER = "bench"
START_LIMIT_SECONDS = 60.0
_UNPRIVILEGED = "postgres"
"""Whose the server's processes are where the benchmark is root's: PostgreSQL refuses to run as root."""


@dataclass(slots=True)
class Postgres:
    """A running server."""

    binaries: Path
    process: subprocess.Popen[bytes]
    port: int

    def make_database(self, name: str) -> str:
        """Return the URL of a new, empty database, in place of one of that name."""
        self._say(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._say(f"CREATE DATABASE {name}")
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def database_bytes(self, url: str) -> int:
        """The size of a database on the disk, its indexes and free pages included."""
        return int(self._say(f"SELECT pg_database_size('{url.rpartition('/')[2]}')"))

    def cpu_seconds(self) -> float:
        """CPU of its processes that are there now."""
        return serving.cpu_seconds(self.process.pid)

    def _say(self, statement: str) -> str:
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres")
        command = [str(self.binaries / "psql"), "-X", "-q", "-A", "-t", *where, "-c", statement]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def find_binaries() -> Path | None:
    """The folder of the newest PostgreSQL server that is installed, if any."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        places.append(Path(on_path).parent)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def started(binaries: Path) -> Iterator[Postgres]:
    """A server on loopback with an empty cluster; ended with the block, and with this process however that ends."""
    # Not below the repository: its path may be one that the server's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="dalsegno-bench-postgres-"))
    try:
        user = _user()
        if user is not None:
            shutil.chown(folder, user, user)
        data, port = folder / "data", serving.free_port()
        _initialise(binaries, data, user)
        options = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    str(binaries / "postgres"),
                    "-D",
                    str(data),
                    *(f"--{name}={value}" for name, value in options.items()),
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=serving.die_with_parent,
                **_as(user),
            )
        try:
            _wait_until_ready(binaries, process, port)
            yield Postgres(binaries, process, port)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str | None:
    if os.getuid() != 0:
        return None
    return pwd.getpwnam(_UNPRIVILEGED).pw_name


def _as(user: str | None) -> dict[str, str]:
    return {} if user is None else {"user": user, "group": user}


def _initialise(binaries: Path, data: Path, user: str | None) -> None:
    command = [str(binaries / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
    done = subprocess.run(command, cwd=data.parent, capture_output=True, text=True, **_as(user))
    if done.returncode != 0:
        raise serving.StartError(f"initdb ended with exit code {done.returncode}:\n{done.stderr}")


def _wait_until_ready(binaries: Path, process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    command = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", USER]
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    raise serving.StartError(f"PostgreSQL did not answer (exit code {process.poll()})")
