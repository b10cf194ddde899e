"""The lists of runs, what is done to many at once, the timeline of a large run, and the palette."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Runner, Window, load


@pytest.fixture
def runs(dalsegno: Runner, tmp_path: Path) -> None:
    """Have two runs fail and one end well."""
    down = tmp_path / "down"
    down.touch()
    for _ in range(2):
        dalsegno("run", f"{PIPELINE}:nightly", RATES_DOWN=str(down))
    dalsegno("run", f"{PIPELINE}:wide", "-p", "count=3")


@pytest.mark.usefixtures("runs")
def test_runs_are_filtered_by_the_address_and_deleted_together(url: str, window: Window) -> None:
    page = window.page
    page.goto(f"{url}/runs")
    table = page.get_by_role("table", name="Flow runs")
    expect(table.get_by_role("link")).to_have_count(3)
    page.get_by_role("button", name="Failed", exact=True).click()
    expect(page).to_have_url(re.compile("state=FAILED"))
    expect(table.get_by_role("link")).to_have_count(2)
    page.reload()
    expect(table.get_by_role("link")).to_have_count(2)

    page.get_by_role("button", name="Pick up…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 runs fit")
    expect(dialog.get_by_text("cannot be done")).to_have_count(2)
    expect(dialog.get_by_role("button", name="Copy the commands")).to_be_visible()
    dialog.get_by_role("button", name="Leave it").click()

    table.get_by_role("checkbox").first.check()
    page.get_by_role("region", name="Selected runs").get_by_role("button", name="Delete…").click()
    expect(dialog).to_contain_text("1 run fits")
    dialog.get_by_role("button", name="Delete 1").click()
    expect(dialog.get_by_role("status")).to_have_text("1 done.")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(table.get_by_role("link")).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(table.get_by_role("link")).to_have_count(2)
    assert window.complaints == []


@pytest.mark.usefixtures("runs")
def test_the_palette_finds_flows_and_pages_by_keyboard(url: str, window: Window) -> None:
    page = window.page
    page.goto(url)
    page.get_by_role("heading", name="Home").wait_for()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("night")
    expect(page.get_by_role("option", name=re.compile("^nightly")).first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="nightly", level=1)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_role("heading", name="Variables", exact=True)).to_be_visible()
    assert window.complaints == []


def test_ten_thousand_task_runs_are_one_timeline(url: str, window: Window) -> None:
    page = window.page
    load(PIPELINE).wide(10_000)
    page.goto(f"{url}/runs?flow=wide")
    page.get_by_role("table", name="Flow runs").get_by_role("link").first.click()
    expect(page.get_by_text("10,000 task runs")).to_be_visible(timeout=60_000)
    timeline = page.get_by_role("application")
    assert page.locator(".timeline-scroll").evaluate("each => each.scrollHeight") > 10_000 * 26
    # Only what is seen is drawn: the canvas is no larger than its window.
    canvas, shown = page.locator("canvas").bounding_box(), timeline.bounding_box()
    assert canvas is not None
    assert shown is not None
    assert canvas["height"] <= shown["height"]
    timeline.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    selected = page.get_by_role("region", name="Selected task run")
    expect(selected).to_contain_text("step-")
    expect(page).to_have_url(re.compile("task="))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("step-")
    expect(page.get_by_text("Nothing was logged")).to_be_visible()
    assert window.complaints == []
