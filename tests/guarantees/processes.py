"""Python programs in processes of their own, for tests that kill, crowd, starve and interrupt them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which a process that should have ended is a failure."""


class Program:
    """A program in a folder; its records go to `home`."""

    def __init__(self, folder: Path, home: Path, text: str, name: str = "program.py") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.home = home
        self.path = folder / name
        self.path.write_text(text, encoding="utf-8")

    def start(self, *arguments: str, settings: Mapping[str, str] | None = None, tool: str | None = None) -> Started:
        """Start it; with `tool` start that module of Python's path in its place, in the same folder and home."""
        what = [str(self.path)] if tool is None else ["-m", tool]
        environment = {**os.environ, **(settings or {}), "DALSEGNO_HOME": str(self.home)}
        return Started([sys.executable, *what, *arguments], self.folder, environment)

    def run(self, *arguments: str, settings: Mapping[str, str] | None = None, tool: str | None = None) -> Ended:
        """Run it to its end."""
        with self.start(*arguments, settings=settings, tool=tool) as started:
            return started.end()


class Ended:
    """What a process left: its exit status (negative: the signal that ended it) and what it wrote."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def last(self) -> str:
        """Its last line on standard output."""
        lines = self.output.splitlines()
        assert lines, f"exit status {self.status}, standard error:\n{self.errors}"
        return lines[-1]


class Started:
    """A process that goes on; ended with the test, and all that it started with it."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._read = ""
        self._heard = 0
        self._errors = folder / f"errors-{os.urandom(6).hex()}"
        with self._errors.open("wb") as errors:
            # Without the tests' own handler of interrupts, as in a shell; in a group, to be ended with its children.
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    @property
    def errors(self) -> str:
        """The end of what it has written to standard error until now."""
        return self._errors.read_text(encoding="utf-8", errors="replace")[-20_000:]

    def until(self, line: str) -> None:
        """Wait until it prints a line."""
        # Not by readline, which keeps what came with the line from whoever reads the rest.
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        while True:
            while (end := self._read.find("\n", self._heard)) >= 0:
                said, self._heard = self._read[self._heard : end], end + 1
                if said == line:
                    return
            data = os.read(handle, 65536).decode()
            assert data, f"ended without saying {line!r}; it said {self._read!r}; standard error:\n{self.errors}"
            self._read += data

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, timeout: float = PATIENCE) -> Ended:
        """Wait for its end."""
        try:
            output, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end in {timeout} s; standard error:\n{self.errors}") from None
        return Ended(self.process.returncode, self._read + (output or ""), self.errors)
