"""A database of its own for each test of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno._backend.embedded import StoreBackend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def backend(path: Path) -> Iterator[StoreBackend]:
    backend = StoreBackend.in_file(str(path))
    yield backend
    backend.close()
