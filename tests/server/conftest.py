"""A server over a real database and socket, and a client of it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Iterator[StoreBackend]:
    """A store on each of the two kinds of databases."""
    if request.param == "postgresql":
        backend = StoreBackend.open(request.getfixturevalue("postgres_url"))
    else:
        backend = StoreBackend.in_memory()
    yield backend
    backend.close()


@pytest.fixture
def url(backend: StoreBackend) -> Iterator[str]:
    with serving(backend) as url:
        yield url


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield Api(client)


class Api:
    """Sends requests and checks their statuses."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def send(self, method: str, path: str, status: int = 200, **options: Any) -> httpx.Response:
        answer = self.client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
        return answer

    def get(self, path: str, status: int = 200, **parameters: Any) -> Any:
        return self.send("GET", path, status, params={_dashed(key): value for key, value in parameters.items()}).json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.send("POST", path, status, json=body).json()

    def walk(self, path: str, **parameters: Any) -> list[Any]:
        """Return the items of all pages of a list."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **parameters, **cursor)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}


def _dashed(name: str) -> str:
    return name.replace("_", "-")
