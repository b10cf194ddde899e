"""A terminal for each example: an empty home, a folder of its own, and the commands a user would type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Terminal:
    """Runs commands in `folder` as a user does whose home is empty and who has set nothing."""

    folder: Path
    home: Path

    def run(self, *command: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DALSEGNO_")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment | {"HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run_example(self, name: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a file of examples/ and insist that it succeeds."""
        done = self.run(sys.executable, EXAMPLES / name, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def list_records(self, *arguments: str, home: Path | None = None) -> list[dict[str, Any]]:
        """What `dalsegno ... --output json` says of the records in `home`, or else in ~/.dalsegno."""
        settings = [f"DALSEGNO_HOME={home}"] if home else []
        done = self.run("env", *settings, BIN / "dalsegno", *arguments, "--all", "--output", "json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def open_terminal(folder: Path) -> Terminal:
    """A terminal in `folder`, with an empty home beside its work."""
    terminal = Terminal(folder / "work", folder / "nobody")
    terminal.folder.mkdir(parents=True)
    terminal.home.mkdir()
    return terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return open_terminal(tmp_path / "terminal")
