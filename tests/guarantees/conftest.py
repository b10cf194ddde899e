"""What the tests of guarantees share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guarantees import replay_attempts
from tests.guarantees.replay_attempts import Attempts
from tests.guarantees.servers import Server

from dalsegno.testing import harness


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[Attempts]:
    """Give the attempts of one flow run, in an empty database."""
    with harness() as runs:
        yield replay_attempts.begin(Attempts(runs, tmp_path / "pipeline.py"))


@pytest.fixture
def server(dalsegno_home: Path) -> Iterator[Server]:
    """Give a server in a process of its own."""
    server = Server(dalsegno_home)
    yield server
    server.stop()
