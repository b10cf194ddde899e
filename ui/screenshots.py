"""Takes pictures of each page, light, dark and narrow, of real runs: `make screenshots` puts them into
`build/screenshots`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.page.pages import addresses  # noqa: E402

OUTPUT = ROOT / "build" / "screenshots"
PIPELINE = ROOT / "tests" / "page" / "pipeline.py"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDE = {"width": 1320, "height": 860}
NARROW = {"width": 380, "height": 780}


def main() -> None:
    """Take all pictures, or those whose names hold one of the arguments."""
    wanted = sys.argv[1:]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder, "home")
        os.environ["DALSEGNO_HOME"] = str(home)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with server() as url:
            os.environ["DALSEGNO_API_URL"] = url
            shoot(browser, url, "empty", {"home": "/", "runs": "/runs", "variables": "/variables"}, wanted)
            make_runs(Path(folder))
            shoot(browser, url, "", all_addresses(url), wanted)
        browser.close()


@contextmanager
def server() -> Iterator[str]:
    """Run a server; gives the URL of its API."""
    command = [sys.executable, "-m", "dalsegno", "server", "start", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "http://" in line:
                yield "http://" + line.partition("http://")[2].split()[0].rstrip("/.").removesuffix("/api") + "/api"
                return
        raise RuntimeError("The server did not start.")
    finally:
        process.terminate()
        process.wait()


def make_runs(folder: Path) -> None:
    """Run the flows of the tests: some well, one that breaks and is picked up, one that breaks and stays so."""
    down = folder / "down"
    environment = {**os.environ, "RATES_DOWN": str(down)}

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dalsegno", *arguments], env=environment, cwd=ROOT, capture_output=True)

    for day in ("27", "28", "29"):
        run("run", f"{PIPELINE}:nightly", "-p", f"day=2026-01-{day}")
    down.touch()
    run("run", f"{PIPELINE}:nightly", "-p", "day=2026-01-30")
    down.unlink()
    run("flow-run", "retry", "last")
    down.touch()
    run("run", f"{PIPELINE}:hostile")
    run("run", f"{PIPELINE}:wide", "-p", "count=400")
    run("run", f"{PIPELINE}:nightly")
    run("variable", "set", "region", '"eu-west"')
    run("variable", "set", "batch", '{"limit": 50, "countries": ["de", "fr"]}')
    run("gcl", "create", "database", "--limit", "5")
    run("gcl", "create", "mail", "--limit", "10", "--slot-decay-per-second", "0.5")
    run("concurrency-limit", "create", "heavy", "2")


def all_addresses(url: str) -> dict[str, str]:
    """Return the address of each page with something on it."""
    with httpx.Client(base_url=url, headers={"dalsegno-page": "1"}) as client:
        client.post("/api-keys", json={"name": "nightly", "role": "operator"})
        found = addresses(client)
        for flow in ("hostile", "wide"):
            run = client.get(f"/flow-runs?flow-name={flow}").json()["items"][0]["id"]
            found[f"run-{flow}"] = f"/runs/{run}"
        return found


def shoot(browser: Browser, url: str, prefix: str, pages: dict[str, str], wanted: list[str]) -> None:
    """Take the pictures of some pages."""
    looks = {"light": ("light", WIDE), "dark": ("dark", WIDE), "narrow": ("light", NARROW)}
    for look, (scheme, size) in looks.items():
        context = browser.new_context(color_scheme=scheme, viewport=size)
        page = context.new_page()
        for name, address in pages.items():
            file = "-".join(filter(None, (prefix, name, look)))
            if not wanted or any(each in file for each in wanted):
                picture(page, url.removesuffix("/api") + address, OUTPUT / f"{file}.png")
        context.close()


def picture(page: Page, address: str, file: Path) -> None:
    """Take one picture, once what the page asks for is there."""
    page.goto(address)
    page.locator("main h1").first.wait_for()
    page.locator("[role=status]").first.wait_for(state="detached")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=file)
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
