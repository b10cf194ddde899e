"""Starts a peer's server, waits until it answers, and says what it uses; for the harness, and for the cases that are
about a server's start. Standard library only, as all that the interpreters of peers import."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_SECONDS = 120.0
STOP_LIMIT_SECONDS = 30.0
_ASK_EVERY = 0.01
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Program:
    """A peer's server. `database` is the variable that names its database, `schemes` how that writes a URL's."""

    title: str
    command: tuple[str, ...]
    ready: str
    database: str
    schemes: Mapping[str, str]

    def variables(self, database_url: str) -> dict[str, str]:
        """Return what makes it use a database, whose URL begins with sqlite:/// or postgresql://."""
        scheme, _, rest = database_url.partition("://")
        return {self.database: f"{self.schemes[scheme]}://{rest}"}


PROGRAMS = {
    "dalsegno": Program(
        "Dalsegno",
        ("dalsegno", "server", "start", "--port", "{port}"),
        "/ready",
        "DALSEGNO_DATABASE_URL",
        {"sqlite": "sqlite", "postgresql": "postgresql"},
    ),
    "prefect": Program(
        "Prefect",
        ("prefect", "server", "start", "--port", "{port}"),
        "/health",
        "PREFECT_API_DATABASE_CONNECTION_URL",
        {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"},
    ),
}


class StartError(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers; it leads a session of its own."""

    process: subprocess.Popen[bytes]
    api_url: str
    start_seconds: float

    def cpu_seconds(self) -> float:
        """CPU of all its processes so far; 0 where the system has no /proc."""
        return cpu_seconds(self.process.pid)

    def memory_bytes(self) -> int:
        """Resident memory of all its processes now; 0 where the system has no /proc."""
        return sum(_resident(pid) for pid in _members(self.process.pid))


@contextmanager
def serving(
    peer: str, binaries: Path, database_url: str, variables: Mapping[str, str], directory: Path
) -> Iterator[Serving]:
    """Start a peer's server on loopback; ended with the block, and with this process however that ends."""
    program, port = PROGRAMS[peer], free_port()
    executable, *arguments = (part.format(port=port) for part in program.command)
    began = time.perf_counter()
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [str(binaries / executable), *arguments],
            env={**variables, **program.variables(database_url)},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        api_url = f"http://127.0.0.1:{port}/api"
        _wait_until_ready(program, process, api_url, directory / "server.log")
        yield Serving(process, api_url, time.perf_counter() - began)
    finally:
        _stop(process)


def die_with_parent() -> None:
    """Have the system end this process when the one that started it is gone; Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def cpu_seconds(leader: int) -> float:
    """CPU of all the processes of a session so far, as far as the system tells."""
    ticks = sum(sum(map(int, _fields(pid)[11:13])) for pid in _members(leader))
    return ticks / os.sysconf("SC_CLK_TCK")


def _wait_until_ready(program: Program, process: subprocess.Popen[bytes], api_url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = log.read_text(errors="replace")[-2000:]
            raise StartError(f"the {program.title} server ended with exit code {process.returncode}:\n{tail}")
        try:
            with urllib.request.urlopen(api_url + program.ready, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(_ASK_EVERY)
    raise StartError(f"the {program.title} server did not answer within {START_LIMIT_SECONDS:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, as its users would; end what is left of it then."""
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(STOP_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        pass  # what follows leaves it no choice
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it left nobody behind
    process.wait()


def _members(leader: int) -> list[int]:
    """Return the processes of a session."""
    pids = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if (fields := _fields(pid)) and int(fields[3]) == leader]


def _fields(pid: int) -> list[str]:
    """Return what the system tells of a process, from its state on; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
