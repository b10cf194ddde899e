"""A real browser on the built page of a real server, on runs that were made by running flows."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend

ROOT = Path(__file__).parents[2]
PIPELINE = Path(__file__).with_name("pipeline.py")
CHROMIUM = "/usr/bin/chromium"


def load(path: Path) -> ModuleType:
    """Return a module that is no part of a package."""
    spec = importlib.util.spec_from_file_location(f"page_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def built_page() -> None:
    """Have the page built, once for each change of its sources."""
    builder = load(ROOT / "ui" / "build.py")
    try:
        builder.build()
        # Tests need some of the packages that it was built with.
        builder.install(builder.find_npm())
    except builder.CannotBuild as error:
        pytest.skip(f"The page cannot be built here: {error}")


# Of a module, not of the session: other modules start browsers too, and two drivers at a time do not go in one thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def backend() -> Iterator[StoreBackend]:
    backend = StoreBackend.in_memory()
    yield backend
    backend.close()


@pytest.fixture
def url(built_page: None, backend: StoreBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of a server with the page, which records what `run` runs."""
    with serving(backend) as api_url:
        monkeypatch.setenv("DALSEGNO_API_URL", api_url)
        yield api_url.removesuffix("/api")


Runner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dalsegno(url: str) -> Runner:
    """Give a function that runs the command line against the server."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dalsegno", *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


class Window:
    """A browser's window, and all that its console complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


Opener = Callable[..., Window]


@pytest.fixture
def open_window(browser: Browser) -> Iterator[Opener]:
    """Give a function that opens a window of its own, with its own cookies."""
    contexts: list[BrowserContext] = []

    def open_(**options: object) -> Window:
        context = browser.new_context(**options)  # pyright: ignore[reportArgumentType]
        context.set_default_timeout(20_000)
        contexts.append(context)
        return Window(context.new_page())

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def window(open_window: Opener) -> Window:
    return open_window()
