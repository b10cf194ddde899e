"""Large results of flows that work with a server lie in the server's storage, wherever the flow runs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import close_embedded_backend
from tests.served import serving

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import MissingResult, StorageError
from dalsegno.flow_runs import retry_flow_run
from dalsegno.model.views import Page, RunFilter
from dalsegno.results.files import delete_file, file_exists, read_file, read_in_chunks, write_file
from dalsegno.server.api import results

LARGE = 3 * 1024 * 1024


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server; the folder where it keeps results."""
    folder = tmp_path / "server-results"
    backend = StoreBackend.in_memory()
    with serving(backend) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        monkeypatch.setenv("DALSEGNO_API_WAIT", "0")
        # What the server's own settings would say: it runs in a thread of this process.
        monkeypatch.setattr("dalsegno.server.api.results.own_storage", lambda: str(folder))
        yield folder
        close_embedded_backend()
    backend.close()


def test_a_large_result_is_kept_by_the_server_and_used_on_retry(kept: Path, dalsegno_home: Path) -> None:
    calls: list[str] = []

    @task
    def extract() -> bytes:
        calls.append("extract")
        return b"x" * LARGE

    @task
    def load(data: bytes) -> int:
        calls.append("load")
        if calls.count("load") == 1:
            raise ConnectionError("the warehouse is away")
        return len(data)

    @flow
    def nightly() -> int:
        return load(extract())

    with pytest.raises(ConnectionError):
        nightly()
    (file,) = kept.rglob("*.result")
    assert file.stat().st_size > LARGE
    assert not (dalsegno_home / "results").exists()
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    assert retry_flow_run(run.id, flow=nightly) == LARGE
    assert calls == ["extract", "load", "load"]


def test_a_result_is_deleted_with_its_run(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @flow
    def large() -> bytes:
        return b"x" * LARGE

    large()
    assert list(kept.rglob("*.result"))
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    # The server runs in this process: its settings are these.
    monkeypatch.setenv("DALSEGNO_RESULTS_STORAGE", str(kept))
    assert connect().delete_flow_run(run.id)
    assert list(kept.rglob("*.result")) == []


def test_files_are_written_read_and_deleted_by_name(kept: Path) -> None:
    url = "dalsegno://results/reports/may.bin"
    assert not file_exists(url)
    write_file(url, b"one")
    write_file(url, b"two")
    assert read_file(url) == b"two"
    assert (kept / "reports/may.bin").read_bytes() == b"two"
    assert delete_file(url)
    assert not delete_file(url)
    with pytest.raises(MissingResult, match="reports/may.bin is gone from the server"):
        read_file(url)
    # Nothing of a transfer is left.
    assert [path for path in kept.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/passwd"])
def test_no_name_leads_out_of_the_storage(kept: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_file(f"dalsegno://results/../{name}", b"x")
    assert not (tmp_path / "outside").exists()


def test_a_file_over_the_limit_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalsegno.server.api.results._largest", lambda request: 10)
    with pytest.raises(StorageError, match="larger than the server keeps"):
        write_file("dalsegno://results/large", b"x" * 11)
    assert [path for path in kept.rglob("*") if path.is_file()] == []


def test_without_a_server_the_files_are_those_of_the_own_storage(dalsegno_home: Path) -> None:
    write_file("dalsegno://results/a/b", b"x")
    assert (dalsegno_home / "results/a/b").read_bytes() == b"x"


def test_a_server_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("DALSEGNO_API_URL", f"http://127.0.0.1:{port}/api")
    monkeypatch.setenv("DALSEGNO_API_WAIT", "0")
    connect()
    with pytest.raises(StorageError, match="cannot be reached"):
        read_file("dalsegno://results/a/b")


def test_nothing_is_left_of_a_file_that_finds_no_place(kept: Path) -> None:
    write_file("dalsegno://results/monday/report", b"x")
    with pytest.raises(StorageError):
        write_file("dalsegno://results/monday", b"y" * LARGE)
    assert [path.name for path in kept.rglob("*") if path.is_file()] == ["report"]


@pytest.mark.parametrize("name", ["a\0b", "monday/" + "a" * 256])
def test_a_name_that_no_file_can_have_is_refused_at_once(kept: Path, name: str) -> None:
    with pytest.raises(StorageError, match="No file can have this name"):
        write_file(f"dalsegno://results/{name}", b"x")


def test_files_that_are_elsewhere_are_handed_on_piece_by_piece(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "own_storage", lambda: "memory://shop-results")
    data = bytes(range(256)) * 16 * 1024
    pieces: list[int] = []

    def noting(url: str, size: int) -> Iterator[bytes]:
        for piece in read_in_chunks(url, size):
            pieces.append(len(piece))
            yield piece

    monkeypatch.setattr(results, "read_in_chunks", noting)
    write_file("dalsegno://results/a/b.result", data)
    assert read_file("dalsegno://results/a/b.result") == data
    assert pieces == [1024 * 1024] * 4
    delete_file("dalsegno://results/a/b.result")
    with pytest.raises(MissingResult):
        read_file("dalsegno://results/a/b.result")


def test_what_a_killed_server_had_begun_to_receive_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "own_storage", lambda: str(tmp_path))
    old, new, other = tmp_path / ".received-old", tmp_path / ".received-new", tmp_path / "kept.result"
    for path in (old, new, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (time.time() - 90_000, time.time() - 90_000))
    results.remove_abandoned()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".received-new", "kept.result"]
