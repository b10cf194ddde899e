"""Every page, full and empty, light and dark: it shows itself, nothing complains, and nobody is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.page.conftest import PIPELINE, ROOT, Opener, Runner, Window
from tests.page.pages import addresses

from dalsegno.server.page import ADDRESSES

AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
RULES = "({resultTypes: ['violations']})"


@pytest.fixture
def full(dalsegno: Runner, url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the address of each page, with something on it."""
    down = tmp_path / "down"
    dalsegno("run", f"{PIPELINE}:nightly")
    down.touch()
    dalsegno("run", f"{PIPELINE}:nightly", RATES_DOWN=str(down))
    with httpx.Client(base_url=f"{url}/api", headers={"dalsegno-page": "1"}) as client:
        client.put("/variables/region", json={"value": "eu-west", "tags": ["place"]}).raise_for_status()
        client.post("/concurrency-limits", json={"name": "database", "limit": 3}).raise_for_status()
        client.post("/api-keys", json={"name": "nightly", "role": "operator"}).raise_for_status()
        yield addresses(client)


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with what is shown, for people who do not see or use a mouse."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {RULES}).then(found => found.violations)")
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['any'][:1]}" for each in found]


def shown(window: Window, address: str) -> None:
    window.page.goto(address)
    window.page.locator("main h1, main h2").first.wait_for()
    window.page.locator("[role=status]").first.wait_for(state="detached")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_complains_and_axe_finds_nothing(
    full: dict[str, str], url: str, open_window: Opener, scheme: str
) -> None:
    window = open_window(color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for name, address in full.items():
        shown(window, url + address)
        found[name] = violations(window.page)
    assert "\n".join(f"{name}: {each}" for name, some in found.items() for each in some) == ""
    assert window.complaints == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_empty_pages_say_the_next_step(url: str, window: Window) -> None:
    for address in (each for each in ADDRESSES if "{" not in each):
        shown(window, url + address)
        assert violations(window.page) == [], address
    for address, command in (
        ("/", "dalsegno run nightly.py"),
        ("/runs", "dalsegno run nightly.py"),
        ("/variables", "dalsegno variable set region"),
        ("/users", "dalsegno user create ada --role admin"),
        ("/api-keys", "dalsegno api-key create nightly"),
    ):
        shown(window, url + address)
        expect(window.page.get_by_label("Command").first).to_contain_text(command)
    assert window.complaints == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_page_fits_a_telephone(full: dict[str, str], url: str, open_window: Opener) -> None:
    window = open_window(viewport={"width": 380, "height": 780})
    too_wide: list[str] = []
    for name, address in full.items():
        shown(window, url + address)
        if window.page.evaluate("document.documentElement.scrollWidth") > 380:
            too_wide.append(name)
    assert too_wide == []
    shown(window, url)
    window.page.get_by_role("button", name="Menu").click()
    window.page.get_by_role("link", name="Flows").click()
    expect(window.page.get_by_role("heading", name="Flows", level=1)).to_be_visible()
    expect(window.page.get_by_role("link", name="Variables")).to_be_hidden()


def test_the_page_comes_in_less_than_200_kilobytes(built_page: None) -> None:
    static = ROOT / "src" / "dalsegno" / "server" / "static"
    index = (static / "index.html").read_text()
    first = [path for path in (static / "assets").glob("*.js.gz") if path.name.removesuffix(".gz") in index]
    home = list((static / "assets").glob("Home-*.js.gz"))
    assert len(first) >= 2
    assert len(home) == 1
    assert sum(path.stat().st_size for path in first + home) <= 200_000


def test_a_page_that_is_not_there_says_so(url: str, window: Window) -> None:
    missing = "0192f0c0-0000-7000-8000-000000000000"
    for address in (f"/runs/{missing}", f"/task-runs/{missing}", f"/artifacts/{missing}", "/flows/nothing"):
        window.page.goto(url + address)
        expect(window.page.get_by_role("heading", level=2)).to_be_visible()
    # The browser itself notes each answer 404; nothing else may be there.
    assert all("404" in each for each in window.complaints)
