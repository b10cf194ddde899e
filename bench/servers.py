"""The server that a peer needs to be measured fairly, and how it is kept quiet while others are measured."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import Environment, InstallError, variables

SERVER_START_LIMIT_SECONDS = 120.0
SETTLE_LIMIT_SECONDS = 300.0
# A server whose CPU use stays below this share of one core for a second has recorded what it was sent.
SETTLED_CPU_SHARE = 0.15


@dataclass(slots=True)
class Server:
    """A peer's server on loopback, stopped (SIGSTOP) while others are measured: it must disturb nobody."""

    process: subprocess.Popen[bytes]
    api_url: str
    home: Path
    start_seconds: float

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def suspend(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def settle(self) -> None:
        """Return once the server has worked off what it was sent, or after SETTLE_LIMIT_SECONDS."""
        deadline = time.monotonic() + SETTLE_LIMIT_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(1.0)
            if self.cpu_seconds() - before < SETTLED_CPU_SHARE:
                return

    def cpu_seconds(self) -> float:
        """CPU of all the server's threads so far; 0 where the system has no /proc."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_megabytes(self) -> float:
        """Resident memory now; 0 where the system has no /proc."""
        statm = Path(f"/proc/{self.process.pid}/statm")
        if not statm.exists():
            return 0.0
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def prefect_server(environment: Environment, home: Path) -> Iterator[Server]:
    """A Prefect server on an SQLite database in `home`, answering; ended with the block."""
    home.mkdir(parents=True)
    port = _free_port()
    api_url = f"http://127.0.0.1:{port}/api"
    began = time.perf_counter()
    process = subprocess.Popen(
        [environment.executable("prefect"), "server", "start", "--port", str(port)],
        env=variables(environment, home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_healthy(process, f"{api_url}/health")
        server = Server(process, api_url, home, time.perf_counter() - began)
        server.settle()
        server.suspend()
        yield server
    finally:
        process.send_signal(signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + SERVER_START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise InstallError(f"the Prefect server ended with exit code {process.returncode} instead of starting")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise InstallError(f"the Prefect server did not answer within {SERVER_START_LIMIT_SECONDS:g} s")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
