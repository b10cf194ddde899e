"""What changes is seen without reloading, by everybody who looks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Opener, Runner


def test_two_browsers_see_one_change(dalsegno: Runner, url: str, open_window: Opener, tmp_path: Path) -> None:
    one, other = open_window(), open_window()
    one.page.goto(url)
    other.page.goto(f"{url}/runs")
    expect(one.page.get_by_text("Nothing has run yet")).to_be_visible()
    expect(other.page.get_by_text("Nothing has run yet")).to_be_visible()
    target = [sys.executable, "-m", "dalsegno", "run", f"{PIPELINE}:waits", "-p", f"folder={tmp_path}"]
    running = subprocess.Popen(target, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(one.page.get_by_role("region", name="Running")).to_contain_text("waits")
        table = other.page.get_by_role("table", name="Flow runs")
        expect(table).to_contain_text("Running")
        table.get_by_role("link").first.click()
        expect(other.page.get_by_text(re.compile("^1 task run$"))).to_be_visible()
        (tmp_path / "go").touch()
        expect(other.page.get_by_text(re.compile("^2 task runs$"))).to_be_visible()
        expect(one.page.get_by_role("region", name="Running")).to_contain_text("Nothing runs")
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.wait()
    assert one.complaints == other.complaints == []
