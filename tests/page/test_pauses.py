"""A run that waits for a person: the page says what it asks for, and a form answers it."""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Window


def test_a_run_that_asks_for_input_is_answered_in_a_form(url: str, window: Window) -> None:
    page = window.page
    page.goto(f"{url}/runs?flow=asks")
    command = [sys.executable, "-m", "dalsegno", "run", f"{PIPELINE}:asks"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.get_by_role("table", name="Flow runs").get_by_role("link").first.click()
        waits = page.get_by_role("region", name="Waits")
        expect(waits).to_contain_text("It waits for input")
        expect(waits.locator("strong", has_text="report")).to_be_visible()
        waits.get_by_role("button", name="Resume…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("checkbox", name="Approved").check()
        dialog.get_by_label("Reason").fill("it looks well")
        dialog.get_by_label("Copies").fill("3")
        dialog.get_by_role("button", name="Resume", exact=True).click()
        expect(dialog).to_have_count(0)
        expect(waits).to_have_count(0)
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.wait()
    page.get_by_role("link", name="Details").click()
    expect(page.get_by_label("Result")).to_contain_text("True it looks well 3")
    assert window.complaints == []
