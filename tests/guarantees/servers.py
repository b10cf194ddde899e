"""Servers in processes of their own, which tests kill and start again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LEASE = 1.5
"""Seconds that leases of these servers last."""


class Server:
    """A server in a process of its own, which can be stopped and started again on the same port."""

    def __init__(self, home: Path, lease: float = LEASE) -> None:
        self.home = home
        self.lease = lease
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DALSEGNO_")},
            "DALSEGNO_HOME": str(self.home),
            "DALSEGNO_LEASES_LENGTH": str(self.lease),
        }
        command = [sys.executable, "-m", "dalsegno.cli", "server", "start", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.split("http://127.0.0.1:")[1].split()[0])

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
