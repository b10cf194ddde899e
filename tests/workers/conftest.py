"""A workshop for every test: on an SQLite file, or behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guarantees.servers import Server
from tests.workers.workshop import Workshop

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.pools import NewPool


@pytest.fixture
def workshop(tmp_path: Path, dalsegno_home: Path) -> Iterator[Workshop]:
    """Give a workshop on an SQLite file."""
    backend = StoreBackend.in_file(str(dalsegno_home / "dalsegno.db"))
    backend.create_pool(NewPool(name="pool"))
    yield Workshop(tmp_path / "work", dalsegno_home, backend, {})
    backend.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server in a process of its own, with short leases."""
    server = Server(tmp_path / "server-home")
    yield server
    server.stop()


@pytest.fixture
def served(tmp_path: Path, dalsegno_home: Path, server: Server) -> Iterator[Workshop]:
    """Give a workshop whose workers know a server only; the test looks into its database."""
    backend = StoreBackend.in_file(str(server.home / "dalsegno.db"))
    backend.create_pool(NewPool(name="pool"))
    yield Workshop(tmp_path / "work", dalsegno_home, backend, {"DALSEGNO_API_URL": server.url})
    backend.close()
