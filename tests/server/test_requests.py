"""What holds for every request: its id, the log, the versions of clients."""

from __future__ import annotations

import logging
import threading

import pytest
from tests.server.conftest import Api

import dalsegno
from dalsegno.server import versions


class Lines(logging.Handler):
    """Keeps what is logged; a line may come after its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._came = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._came:
            self.texts.append(record.getMessage())
            self._came.notify_all()

    def wait_for(self, start: str, part: str) -> bool:
        with self._came:
            return self._came.wait_for(
                lambda: any(text.startswith(start) and part in text for text in self.texts), timeout=30
            )


def test_every_answer_has_the_id_of_its_request_and_the_version(api: Api) -> None:
    lines, requests = Lines(), logging.getLogger("dalsegno.server.requests")
    requests.addHandler(lines)
    try:
        answer = api.send("GET", "/health")
        given = api.send("GET", "/flow-runs/nothing", 404, headers={"x-request-id": "proxy-7"})
        assert lines.wait_for("GET /api/health 200 in ", answer.headers["x-request-id"])
        assert lines.wait_for("GET /api/flow-runs/nothing 404 in ", "proxy-7")
    finally:
        requests.removeHandler(lines)
    assert answer.headers["dalsegno-version"] == dalsegno.__version__
    assert given.headers["x-request-id"] == "proxy-7"
    assert given.json()["instance"] == "urn:dalsegno:request:proxy-7"


def test_an_id_that_could_forge_log_lines_is_not_taken(api: Api) -> None:
    answer = api.send("GET", "/health", headers={"x-request-id": "a b"})
    assert len(answer.headers["x-request-id"]) == 32


def test_clients_one_minor_version_away_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dalsegno, "__version__", "1.4.2")
    for version in (None, "1.3.0", "1.4", "1.4.9", "1.5.0rc1"):
        assert versions.refusal(version) is None
    assert "upgrade the client" in (versions.refusal("1.2.9") or "")
    assert "works with clients 1.3 to 1.5: upgrade the server" in (versions.refusal("1.6.0") or "")
    assert "upgrade the server" in (versions.refusal("2.4.0") or "")
    assert "which is no version" in (versions.refusal("latest") or "")


def test_other_clients_are_told_which_side_to_upgrade(api: Api) -> None:
    problem = api.send("GET", "/flow-runs", 400, headers={"dalsegno-version": "9.9.9"})
    assert "upgrade the server" in problem.json()["detail"]
    assert problem.headers["dalsegno-version"] == dalsegno.__version__
    assert problem.headers["x-request-id"]
    assert api.get("/version")["oldest_client"] == versions.oldest_client()


def test_a_path_does_not_forge_lines_of_the_log(api: Api) -> None:
    lines, requests = Lines(), logging.getLogger("dalsegno.server.requests")
    requests.addHandler(lines)
    try:
        api.send("GET", "/flows/a%0AGET%20/forged%1B[2J", 404)
        assert lines.wait_for("GET", "a%0AGET")
    finally:
        requests.removeHandler(lines)
    assert not any("\n" in line or "\x1b" in line for line in lines.texts)
