"""Servers in processes of their own, on a port that stays theirs, to be killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from tests.guarantees.processes import Program
from tests.postgres import free_port

_LONGEST_START = 60


class ServerProcess:
    """`dalsegno server start` over a database, with a home of its own."""

    def __init__(self, folder: Path, database_url: str, port: int | None = None) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.database_url = database_url
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.starts = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and return when it says that it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dalsegno", "server", "start", "--port", str(self.port)],
                env={**os.environ, "DALSEGNO_HOME": str(self.folder), "DALSEGNO_DATABASE_URL": self.database_url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said.startswith("Dalsegno serves"):
            self.kill()
            raise AssertionError(f"the server said {said!r}; standard error:\n{self.errors}")
        self.starts += 1

    def kill(self) -> None:
        """End it as the system does when there is no memory left."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def await_ready(self) -> float:
        """Wait until it reaches its database; return the seconds that this took."""
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "dalsegno", "server", "status", "--wait", "--port", str(self.port)],
            capture_output=True,
            text=True,
            timeout=_LONGEST_START + 10,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.errors}"
        assert httpx.get(f"{self.url}/ready", timeout=30).status_code == 200
        return time.monotonic() - started

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of `dalsegno` on the machine of the server."""
        return subprocess.run(
            [sys.executable, "-m", "dalsegno", *words],
            env={**os.environ, "DALSEGNO_HOME": str(self.folder), "DALSEGNO_DATABASE_URL": self.database_url},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_LONGEST_START,
        )

    @property
    def errors(self) -> str:
        """The end of what it wrote to standard error."""
        return self._log.read_text(errors="replace")[-20_000:]

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"


def settings_for(url: str, key: str | None = None) -> dict[str, str]:
    """Return the variables with which a process records through a server."""
    found = {"DALSEGNO_API_URL": url, "DALSEGNO_LOGGING_TO_CONSOLE": "false"}
    return found if key is None else {**found, "DALSEGNO_API_KEY": key}


def deliver(program: Program, url: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `dalsegno flow-run deliver` on the machine of a program."""
    return subprocess.run(
        [sys.executable, "-m", "dalsegno", "flow-run", "deliver"],
        env={**os.environ, "DALSEGNO_HOME": str(program.home), **settings_for(url, key)},
        capture_output=True,
        text=True,
        timeout=100,
    )


def spool_files(program: Program) -> list[str]:
    """Return what waits in the home of a program for any server."""
    folder = program.home / "spool"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read_lines(path: Path) -> list[Any]:
    """Return the JSON values of a file, one a line."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
