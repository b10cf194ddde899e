"""A server that can be taken away, for each test of the spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journal.remote import RemoteStore, Switch, install


@pytest.fixture
def server_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "server"
    folder.mkdir()
    return folder


@pytest.fixture
def remote(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteStore]:
    """Give the server; batches that it does not take within a moment are spooled."""
    monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_AFTER", "0.05")
    remote = install(server_folder)
    yield remote
    remote.hangs = None
    remote.refuses_all = remote.fails_all = False
    remote.fails = lambda _: False
    remote.refuses = lambda _: False


@pytest.fixture
def switch(server_folder: Path) -> Switch:
    return Switch(server_folder / "away")


@pytest.fixture
def spool_files(dalsegno_home: Path) -> object:
    """Give a function that lists the names of files in the spool, by the folder they are in."""

    def names(pattern: str = "*/*") -> list[str]:
        return sorted(
            str(path.relative_to(dalsegno_home / "spool")) for path in (dalsegno_home / "spool").glob(pattern)
        )

    return names
