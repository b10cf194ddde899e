"""What the backend over HTTP makes of a URL, a key, and answers that no server of ours gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from tests.conftest import close_embedded_backend

from dalsegno._backend.connect import connect
from dalsegno._backend.operations import operations
from dalsegno.exceptions import BackendError, ConfigurationError, StorageError
from dalsegno.results.files import write_file


class Answering(ThreadingHTTPServer):
    """Answers everything with one answer."""

    address_family = socket.AF_INET6
    status = 200
    body = b"<html>Welcome</html>"

    def __init__(self) -> None:
        super().__init__(("::1", 0), _Handler)
        self.hosts: list[str | None] = []
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = cast("Answering", self.server)
        server.bodies.append(self.rfile.read(int(self.headers.get("content-length", "0"))))
        server.hosts.append(self.headers["host"])
        server.keys.append(self.headers["authorization"])
        self.send_response(server.status)
        self.send_header("content-length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    do_POST = do_PUT = do_GET = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """Something that is no server of ours, on IPv6, and is the one of the settings."""
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("DALSEGNO_API_URL", f"http://[::1]:{server.server_address[1]}/api")
        monkeypatch.setenv("DALSEGNO_API_WAIT", "0")
        yield server
        close_embedded_backend()
        server.shutdown()
        thread.join()


def test_an_address_of_ipv6_is_sent_in_brackets(answering: Answering) -> None:
    answering.body = b"\x90"
    assert connect().list_variables(None, 1) == []
    assert answering.hosts == [f"[::1]:{answering.server_address[1]}"]


def test_an_answer_that_no_server_of_ours_gives_is_said(answering: Answering) -> None:
    with pytest.raises(BackendError, match="DALSEGNO_API_URL is right"):
        connect().list_variables(None, 1)


def test_a_result_file_that_was_not_taken_is_not_taken_for_written(answering: Answering) -> None:
    connect()
    answering.status = 404
    with pytest.raises(StorageError):
        write_file("dalsegno://results/monday/report", b"x")


def test_the_end_of_the_line_of_a_key_is_not_sent(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    answering.body = b"\x90"
    monkeypatch.setenv("DALSEGNO_API_KEY", "dsn_secret\n")
    connect().list_variables(None, 1)
    assert answering.keys == ["Bearer dsn_secret"]


def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DALSEGNO_API_KEY", "dsn_secret\nx")
    with pytest.raises(ConfigurationError, match="DALSEGNO_API_KEY") as caught:
        connect()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://ann:secret@host/api", "http://ann:secret@host:x/", "http://secret@hö/"])
def test_a_url_with_a_password_is_refused_without_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", url)
    with pytest.raises(ConfigurationError, match="DALSEGNO_API_KEY") as caught:
        connect()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://host:99999", "http://host:x/api", "http://[::1", "http://hö/api", "http://host/api?x=1"]
)
def test_a_url_that_cannot_be_used_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", url)
    with pytest.raises(ConfigurationError, match="must be like"):
        connect()


def test_a_missing_file_of_certificates_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "https://127.0.0.1:1/api")
    monkeypatch.setenv("DALSEGNO_API_TLS_CA_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="DALSEGNO_API_TLS_CA_FILE"):
        connect()


def test_a_wait_ends_before_the_server_counts_as_gone(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    answering.body = b"\x07"
    monkeypatch.setenv("DALSEGNO_API_TIMEOUT", "10")
    assert connect().wait_for_change(6, 60.0) == 7
    assert operations()["wait_for_change"].read_arguments(answering.bodies[0]) == (6, 5.0)
