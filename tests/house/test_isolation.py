"""A test sees no settings but its own, and nothing of what another test recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def our_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("DALSEGNO_")}


def test_a_test_has_a_home_of_its_own_and_it_is_empty(dalsegno_home: Path, tmp_path: Path) -> None:
    assert our_variables() == {"DALSEGNO_HOME": str(dalsegno_home)}
    assert dalsegno_home.is_relative_to(tmp_path)
    assert not dalsegno_home.exists()


def test_variables_of_the_shell_do_not_reach_a_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "http://localhost:1")
    name = test_a_test_has_a_home_of_its_own_and_it_is_empty.__name__
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += [f"--basetemp={tmp_path / 'inner'}", f"{__file__}::{name}"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
