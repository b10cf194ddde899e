"""A server over a store in memory, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import close_embedded_backend
from tests.served import serving

from dalsegno import get_client
from dalsegno._backend.embedded import StoreBackend
from dalsegno.client import SyncClient


@pytest.fixture
def backend() -> Iterator[StoreBackend]:
    backend = StoreBackend.in_memory()
    yield backend
    backend.close()


@pytest.fixture
def url(backend: StoreBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the URL of a server that the settings name too: what flows do is recorded there."""
    with serving(backend) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        yield url
        close_embedded_backend()


@pytest.fixture
def client(url: str) -> Iterator[SyncClient]:
    with get_client(sync_client=True) as client:
        yield client
