"""How the server hands out the web page: the frame at each address, files once and for all, nothing secret."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend
from dalsegno.server import page
from dalsegno.server.page import ADDRESSES

SCRIPT = b"console.log('the page')" * 100


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Give a client of a server with a page of two files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Frame</title>")
    (tmp_path / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    yield from client_of_a_server()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Give a client of a server whose page was not built."""
    monkeypatch.setattr(page, "FOLDER", tmp_path / "nothing")
    yield from client_of_a_server()


def client_of_a_server() -> Iterator[httpx.Client]:
    backend = StoreBackend.in_memory()
    with serving(backend) as url, httpx.Client(base_url=url.removesuffix("/api")) as client:
        yield client
    backend.close()


def test_each_address_of_the_page_gives_the_frame(site: httpx.Client) -> None:
    for address in ADDRESSES:
        path = address.replace("{id:uuid}", "0192f0c0-0000-7000-8000-000000000000").replace("{name:str}", "a%20flow")
        answer = site.get(path)
        assert answer.status_code == 200, path
        assert "<title>Frame</title>" in answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy, path
        assert "unsafe" not in policy


def test_other_addresses_do_not(site: httpx.Client) -> None:
    for path in ("/nothing", "/runs/nothing", "/api/nothing", "/assets/nothing.js", "/assets/../page.py"):
        answer = site.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_frame_is_asked_for_each_time_and_sent_when_it_changed(site: httpx.Client) -> None:
    answer = site.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    again = site.get("/runs", headers={"if-none-match": f'"other", {answer.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert site.get("/", headers={"if-none-match": '"other"'}).status_code == 200


def test_files_are_kept_for_ever_and_sent_compressed(site: httpx.Client) -> None:
    answer = site.get("/assets/index-1a2b.js")
    assert answer.content == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "accept-encoding"
    plain = site.get("/assets/index-1a2b.js", headers={"accept-encoding": "identity"})
    assert plain.content == SCRIPT
    assert "content-encoding" not in plain.headers


def test_a_server_whose_page_was_not_built_says_how_to_build_it(bare: httpx.Client) -> None:
    answer = bare.get("/")
    assert answer.status_code == 200
    assert "make ui-build" in answer.text
    assert bare.get("/runs").text == answer.text
