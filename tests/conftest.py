"""What every test gets: a home of its own, no settings from outside, nothing left open behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

WHERE = "TEST_RECORDS"
"""Where flows of the tests record: nothing (their own database), ``server-sqlite`` or ``server-postgresql``."""

# A busy machine is not a failing property. In CI hypothesis takes its own profile, which repeats itself.
if "CI" not in os.environ:
    hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def dalsegno_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give the test an empty DALSEGNO_HOME that no other test sees; its path is the fixture's value.

    The folder does not exist yet: whoever needs it makes it, as on a new machine.
    """
    for name in [name for name in os.environ if name.startswith("DALSEGNO_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("DALSEGNO_HOME", str(home))
    with recording_in(os.environ.get(WHERE), monkeypatch, request):
        yield home
        close_embedded_backend()


@contextmanager
def recording_in(where: str | None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have what the test runs recorded by a server, where the whole run of tests was told so."""
    if not where:
        yield
        return
    from tests.served import serving

    from dalsegno._backend.embedded import StoreBackend

    assert where in ("server-sqlite", "server-postgresql"), where
    postgres = None if where == "server-sqlite" else request.getfixturevalue("postgres_server")
    url = "" if postgres is None else postgres.make_database()
    backend = StoreBackend.in_memory() if postgres is None else StoreBackend.open(url)
    with serving(backend) as api_url:
        monkeypatch.setenv("DALSEGNO_API_URL", api_url)
        # A busy machine is no outage: what a test reads when its flow has ended is not to wait on disk.
        monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_AFTER", "60")
        yield
        close_embedded_backend()
    backend.close()
    if postgres is not None:
        postgres.drop_database(url)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a PostgreSQL server that this run of the tests has to itself."""
    from tests import postgres

    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (no initdb in /usr/lib/postgresql or on the path).")
    # A worker's own folder lies in the one that all workers of a run share.
    own = tmp_path_factory.getbasetemp()
    with postgres.shared_server(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own, binaries) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """Give the URL of a PostgreSQL database with our tables and nothing in them."""
    url = postgres_server.make_database()
    yield url
    close_embedded_backend()
    postgres_server.drop_database(url)


def close_embedded_backend() -> None:
    """Close the databases that this process has open, if the code that opens them was loaded at all."""
    session = sys.modules.get("dalsegno._engine.session")
    if session is not None:
        session.close_journals()
    connect = sys.modules.get("dalsegno._backend.connect")
    if connect is not None:
        connect.close_all()
