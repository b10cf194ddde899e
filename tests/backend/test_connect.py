"""The settings pick the backend; it is opened once, and what cannot be opened says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dalsegno._backend import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import BackendError, BackendUnavailable, ConfigurationError


def test_by_default_it_is_a_file_in_the_home(dalsegno_home: Path) -> None:
    backend = connect.connect()
    assert backend.url == f"sqlite:///{dalsegno_home / 'dalsegno.db'}"
    assert (dalsegno_home / "dalsegno.db").exists()
    assert connect.connect() is backend


def test_another_database_is_another_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = connect.connect()
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    second = connect.connect()
    assert second is not first
    assert (tmp_path / "other.db").exists()


def test_a_server_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DALSEGNO_API_WAIT", "0")
    with pytest.raises(BackendUnavailable, match="http://127.0.0.1:1/api cannot be reached .*dalsegno server status"):
        connect.connect().list_variables(None, 1)


def test_a_url_of_a_server_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "localhost:4200")
    with pytest.raises(ConfigurationError, match="must be like"):
        connect.connect()


@pytest.mark.parametrize("url", ["mysql://ann:secret@host/db", "sqlite://", "nonsense"])
def test_a_url_of_no_known_kind_is_refused_without_its_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match="DALSEGNO_DATABASE_URL") as caught:
        connect.connect()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("pgbouncer", ["true", "false"])
def test_a_url_of_postgresql_is_a_database_there(
    postgres_url: str, pgbouncer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", postgres_url)
    monkeypatch.setenv("DALSEGNO_DATABASE_PGBOUNCER", pgbouncer)
    backend = connect.connect()
    assert backend.url == postgres_url
    assert backend.list_variables(None, 1) == []


def test_a_missing_driver_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None; from dalsegno._backend.connect import connect\n"
        "try: connect()\nexcept Exception as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"DALSEGNO_DATABASE_URL": "postgresql://ann:secret@localhost/runs"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("ConfigurationError")
    assert "pip install 'dalsegno[postgres]'" in done.stdout
    assert "secret" not in done.stdout


def test_what_was_closed_is_opened_anew(dalsegno_home: Path) -> None:
    before = connect.connect()
    connect.close_all()
    with pytest.raises(BackendError, match="was closed"):
        before.list_variables(None, 1)
    assert connect.connect().list_variables(None, 1) == []


def test_a_forked_child_opens_its_own() -> None:
    backend = connect.connect()
    child = os.fork()
    if child == 0:
        os._exit(0 if connect.connect() is not backend else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.list_variables(None, 1) == []


def test_a_database_in_memory_is_there_in_less_than_50_ms() -> None:
    def opening() -> float:
        start = time.perf_counter()
        backend = StoreBackend.in_memory()
        took = time.perf_counter() - start
        backend.close()
        return took

    # The quickest of a few: what else the machine does is not measured.
    assert min(opening() for _ in range(10)) < 0.05


def test_the_embedded_backend_needs_no_sqlalchemy_and_no_fsspec(dalsegno_home: Path) -> None:
    script = (
        "import sys; from dalsegno._backend.connect import connect; connect().list_variables(None, 1);"
        "print([name for name in ('sqlalchemy', 'fsspec', 'httpx', 'pydantic', 'psycopg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_two_keys_to_one_server_are_two_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("DALSEGNO_API_KEY", "dsn_one")
    first = connect.connect()
    assert connect.connect() is first
    monkeypatch.setenv("DALSEGNO_API_KEY", "dsn_two")
    second = connect.connect()
    assert second is not first
    connect.close("http://127.0.0.1:1/api")
    assert connect.connect() is not second
