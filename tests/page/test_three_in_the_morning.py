"""The story that the page is for: a flow broke at night; the page says what, why and what waits, and how to go on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Runner, Window


def test_what_broke_is_seen_at_once_and_picked_up_where_it_broke(
    dalsegno: Runner, url: str, window: Window, tmp_path: Path
) -> None:
    page, down = window.page, tmp_path / "down"
    assert dalsegno("run", f"{PIPELINE}:nightly").returncode == 0
    down.touch()
    assert dalsegno("run", f"{PIPELINE}:nightly", "-p", "day=2026-02-01", RATES_DOWN=str(down)).returncode != 0

    page.goto(url)
    failed = page.get_by_role("region", name="Failed")
    expect(failed).to_contain_text("The rates service answered 503 for 2026-02-01")
    failed.get_by_role("link", name="nightly").click()

    broke = page.get_by_role("region", name="What broke")
    expect(broke.get_by_role("heading", level=2)).to_have_text(re.compile("Failed at fetch_rates-"))
    expect(broke).to_contain_text("it is down for maintenance")
    expect(broke.get_by_label("Traceback")).to_contain_text("raise ConnectionError(")
    expect(broke).to_contain_text("Did not run because of it")
    expect(broke.get_by_role("listitem").filter(has_text="publish")).to_be_visible()

    page.get_by_role("button", name="Pick up…", exact=True).click()
    command = page.get_by_role("dialog").get_by_label("Command").inner_text()
    down.unlink()
    done = dalsegno(*shlex.split(command)[1:], RATES_DOWN=str(down))
    assert done.returncode == 0, done.stderr

    # Nobody reloaded the page.
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(broke).to_have_count(0)
    expect(page.get_by_text("kept from an earlier attempt")).to_be_visible()
    page.get_by_role("link", name="Home").first.click()
    expect(page.get_by_role("region", name="Failed")).to_contain_text("Nothing.")
    assert window.complaints == []


def test_a_result_supplied_by_hand_lets_the_run_go_on(
    dalsegno: Runner, url: str, window: Window, tmp_path: Path
) -> None:
    page, down = window.page, tmp_path / "down"
    down.touch()
    dalsegno("run", f"{PIPELINE}:nightly", RATES_DOWN=str(down))
    page.goto(f"{url}/runs")
    page.get_by_role("table", name="Flow runs").get_by_role("link").first.click()
    page.get_by_role("button", name="Supply its result…").click()
    page.get_by_label("Result, as JSON").fill('{"USD": 1.5')
    expect(page.get_by_role("button", name="Complete it with this")).to_be_disabled()
    page.get_by_label("Result, as JSON").fill('{"USD": 1.5}')
    page.get_by_role("button", name="Complete it with this").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    # The bank is still down: the step is not run again.
    assert dalsegno("flow-run", "retry", "last", RATES_DOWN=str(down)).returncode == 0
    expect(page.get_by_role("region", name="What broke")).to_have_count(0)
    assert window.complaints == []
