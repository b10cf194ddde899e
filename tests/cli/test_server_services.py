"""`dalsegno server services ls`."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Dalsegno
from tests.served import serving

from dalsegno._backend.embedded import StoreBackend


def test_the_services_of_the_server_are_listed(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = StoreBackend.in_memory()
    with serving(backend) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        lines = dalsegno("server", "services", "ls").output.splitlines()
        listed = dalsegno("server", "services", "ls", "-o", "json").json
    backend.close()
    assert [line.split()[0] for line in lines] == ["NAME", "reaper", "scheduler", "workers", "retention", "access"]
    assert [service["interval"] for service in listed] == [2.0, 0.5, 3600.0, 60.0, 600.0]


def test_a_server_that_is_not_there_is_named(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DALSEGNO_API_URL", raising=False)
    assert "set DALSEGNO_API_URL" in dalsegno("server", "services", "ls").errors
    monkeypatch.setenv("DALSEGNO_API_URL", "http://127.0.0.1:9/api")
    assert "http://127.0.0.1:9/api cannot be reached" in dalsegno("server", "services", "ls").errors
