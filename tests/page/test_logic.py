"""The page's logic without a screen, by node's own test runner."""

from __future__ import annotations

import subprocess

import pytest
from tests.page.conftest import ROOT, load

UI = ROOT / "ui"


@pytest.mark.usefixtures("built_page")
def test_the_pages_logic_passes_its_own_tests() -> None:
    npm = load(UI / "build.py").find_npm()
    done = subprocess.run([*npm, "run", "--silent", "test"], cwd=UI, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout.replace("ℹ", "#")
    assert "# pass 0" not in done.stdout.replace("ℹ", "#")
