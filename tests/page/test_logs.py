"""The log of a run in the page: its end as it is written, its beginning, filters, all of it as a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Window

LINES = 3_000


def test_a_long_log_is_followed_searched_and_downloaded(url: str, window: Window, tmp_path: Path) -> None:
    page = window.page
    command = [sys.executable, "-m", "dalsegno", "run", f"{PIPELINE}:talks"]
    command += ["-p", f"lines={LINES}", "-p", f"folder={tmp_path}"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.goto(f"{url}/runs?flow=talks")
        page.get_by_role("table", name="Flow runs").get_by_role("link").first.click()
        page.get_by_role("link", name="Logs").click()
        log = page.get_by_role("log")
        expect(log).to_contain_text(f"line {LINES - 1} of many")
        # It begins at the end and stays there while lines come.
        (tmp_path / "go").touch()
        expect(log).to_contain_text("the last word")
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.wait()

    page.get_by_role("button", name="To the beginning").click()
    expect(log).to_contain_text("line 0 of many")
    expect(log).not_to_contain_text("the last word")
    page.get_by_label("Level").select_option("Warnings and up")
    expect(log).to_contain_text("line 100 of many")
    expect(log).not_to_contain_text("line 101 of many")
    page.get_by_label("Text in the log").fill("LINE 2900")
    expect(log).to_contain_text("line 2900 of many")
    expect(log).not_to_contain_text("line 100 of many")
    page.get_by_label("Text in the log").fill("nobody said this")
    expect(page.get_by_text("No line fits")).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    text = Path(download.value.path()).read_text()
    assert text.count("of many\n") == LINES
    assert window.complaints == []


def test_scrolling_up_reads_what_came_before(url: str, window: Window, tmp_path: Path) -> None:
    page = window.page
    (tmp_path / "go").touch()
    command = [sys.executable, "-m", "dalsegno", "run", f"{PIPELINE}:talks"]
    subprocess.run([*command, "-p", f"lines={LINES}", "-p", f"folder={tmp_path}"], capture_output=True, check=True)
    with httpx.Client(base_url=f"{url}/api") as client:
        run = client.get("/flow-runs?flow-name=talks").json()["items"][0]["id"]
    page.goto(f"{url}/runs/{run}?tab=logs")
    log = page.get_by_role("log")
    expect(log).to_contain_text("the last word")
    # Each step up asks for lines before those that are there, which push them down: what is read stays in its place.
    before = page.locator(".log-body").evaluate("each => each.scrollHeight")
    with page.expect_response(lambda answer: "order=newest" in answer.url):
        page.locator(".log-body").evaluate("each => { each.scrollTop = 50 * 20 }")
    expect(log).to_contain_text(f"line {LINES - 450} of many")
    after = page.locator(".log-body")
    expect(after).not_to_have_js_property("scrollHeight", before)
    assert after.evaluate("each => each.scrollTop") > 50 * 20 + 1
    first = log.get_by_text("line 0 of many", exact=True)
    up = "each => { each.scrollTop = 0; return new Promise(done => requestAnimationFrame(done)) }"
    for _ in range(2_000):
        if first.count() > 0:
            break
        after.evaluate(up)
    expect(first).to_be_visible()
    assert window.complaints == []
