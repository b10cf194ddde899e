"""Bodies of operations that no client of ours sends: they are refused, and hold up nobody."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from tests.server.conftest import Api

from dalsegno._backend.embedded import StoreBackend
from dalsegno._backend.operations import operations
from dalsegno.model.views import Page, RunFilter

MSGPACK = {"content-type": "application/msgpack"}
DEEP = b"\x91" * 100_000 + b"\xc0"


@pytest.fixture
def backend() -> Iterator[StoreBackend]:
    """A store; these never get to it."""
    backend = StoreBackend.in_memory()
    yield backend
    backend.close()


def ask(api: Api, operation: str, body: bytes, status: int, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.send("POST", f"/engine/{operation}", status, content=body, headers=MSGPACK | named).content


@pytest.mark.parametrize("limit", [-1, 10_000_000_000])
def test_a_limit_that_is_none_is_refused(api: Api, limit: int) -> None:
    variables = operations()["list_variables"]
    assert variables.read_result(ask(api, "list_variables", variables.pack_arguments((None, 100_000), {}), 200)) == []
    ask(api, "list_variables", variables.pack_arguments((None, limit), {}), 400)
    runs = operations()["list_flow_runs"].pack_arguments((RunFilter(), Page(limit=limit)), {})
    ask(api, "list_flow_runs", runs, 400)


@pytest.mark.parametrize("operation", ["list_variables", "set_variable", "deliver", "wait_for_change"])
def test_what_is_nested_too_deeply_is_refused(api: Api, operation: str) -> None:
    ask(api, operation, DEEP, 400)
    ask(api, operation, b"\x93" + DEEP + b"\xc0\xc0", 400)


def test_a_compressed_body_is_taken_whole_or_not_at_all(api: Api) -> None:
    packed = zlib.compress(operations()["list_variables"].pack_arguments((None, 5), {}))
    assert ask(api, "list_variables", packed, 200, content_encoding="deflate") == b"\x90"
    assert b"end is missing" in ask(api, "list_variables", packed[:-3], 400, content_encoding="deflate")
    ask(api, "list_variables", packed, 415, content_encoding="br")


def test_a_compressed_body_that_grows_too_large_is_refused(api: Api) -> None:
    bomb = zlib.compress(bytes(300 * 1024 * 1024), 1)
    ask(api, "list_variables", bomb, 413, content_encoding="deflate")


def test_json_that_is_nested_too_deeply_is_refused(api: Api) -> None:
    deep = b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    headers = {"content-type": "application/json"}
    assert api.client.put("/variables/deep", content=deep, headers=headers).status_code in (400, 422)
