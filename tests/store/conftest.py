"""A database of its own for each test of the store; most tests are run on each of the two kinds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dalsegno._backend.embedded import StoreBackend

Opener = Callable[..., StoreBackend]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty database."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{request.getfixturevalue('path')}"


@pytest.fixture
def open_backend(url: str) -> Iterator[Opener]:
    """Give a function that opens the test's database, once more with each call."""
    opened: list[StoreBackend] = []

    def open_(**options: object) -> StoreBackend:
        opened.append(StoreBackend.open(url, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for backend in opened:
        backend.close()


@pytest.fixture
def open_on_postgresql(postgres_url: str) -> Iterator[Opener]:
    """Give a function that opens a PostgreSQL database, once more with each call."""
    opened: list[StoreBackend] = []

    def open_(**options: object) -> StoreBackend:
        opened.append(StoreBackend.open(postgres_url, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(open_backend: Opener) -> StoreBackend:
    return open_backend()


@pytest.fixture
def sqlite_backend(path: Path) -> Iterator[StoreBackend]:
    backend = StoreBackend.in_file(str(path))
    yield backend
    backend.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, as those of `tmp_path` are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
