"""What runs write may come from anybody: shown in the page it does nothing, and looks like what it is."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect
from tests.page.conftest import PIPELINE, Runner, Window


def test_hostile_logs_messages_and_markdown_do_nothing(dalsegno: Runner, url: str, window: Window) -> None:
    page = window.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    dalsegno("run", f"{PIPELINE}:hostile")
    with httpx.Client(base_url=f"{url}/api") as client:
        run = client.get("/flow-runs?flow-name=hostile").json()["items"][0]["id"]
        artifact = client.get("/artifacts?key=hostile").json()["items"][0]["id"]

    page.goto(url)
    expect(page.get_by_role("region", name="Failed")).to_contain_text("<script>window.hacked = 1</script>")
    page.goto(f"{url}/runs/{run}")
    expect(page.get_by_role("region", name="What broke")).to_contain_text("<img src=x onerror=")
    page.goto(f"{url}/runs/{run}?tab=logs")
    log = page.get_by_role("log")
    expect(log).to_contain_text("<script>window.hacked = 1</script>")
    expect(log.locator(".ansi-1", has_text="red").first).to_be_visible()
    page.goto(f"{url}/artifacts/{artifact}")
    shown = page.get_by_role("region", name="Artifact", exact=True)
    expect(shown).to_contain_text('<img src=x onerror="window.hacked = 4">')
    expect(shown.get_by_role("link", name="Image: tracker")).to_be_visible()
    assert shown.get_by_role("link").count() == 1
    assert shown.locator("img, script, svg, b, iframe").count() == 0

    assert page.evaluate("window.hacked") is None
    assert [each for each in asked if not each.startswith((url, "data:"))] == []
    assert window.complaints == []
