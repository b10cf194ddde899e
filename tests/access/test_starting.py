"""Beyond loopback a server starts only with an admin; it serves TLS."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.access.conftest import PASSWORD

from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import BackendError, ConfigurationError
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.passwords import Passwords
from dalsegno.server.access.starting import prepare, tls_options
from dalsegno.settings.fields import ServerSettings

HERE = Path(__file__).parent
CERTIFICATE, KEY = HERE / "localhost.crt", HERE / "localhost.key"


@pytest.fixture
def backend() -> Any:
    backend = StoreBackend.in_memory()
    yield backend
    backend.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_on_loopback_it_needs_no_admin(backend: StoreBackend, host: str) -> None:
    prepare(backend.database, ServerSettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "flows.example.org", ""])
def test_elsewhere_it_refuses_and_says_how_to_make_one(backend: StoreBackend, host: str, passwords: Passwords) -> None:
    with pytest.raises(ConfigurationError) as refused:
        prepare(backend.database, ServerSettings(host=host))
    assert "`dalsegno server create-admin`" in str(refused.value)
    assert "DALSEGNO_SERVER_ADMIN_PASSWORD" in str(refused.value)
    Accounts(backend.database, passwords).create_first_admin("root", PASSWORD)
    prepare(backend.database, ServerSettings(host=host))


def test_the_settings_make_the_first_admin_once(backend: StoreBackend, passwords: Passwords) -> None:
    settings = ServerSettings(host="0.0.0.0", admin_name="root", admin_password=PASSWORD)
    prepare(backend.database, settings, passwords)
    accounts = Accounts(backend.database, passwords)
    (made,) = accounts.page(None, 10)
    assert (made.name, made.role.text) == ("root", "admin")
    accounts.change(made.id, password="another good one")
    prepare(backend.database, settings, passwords)
    assert accounts.page(None, 10) == [accounts.find("root")]
    assert accounts.find("root").updated > made.updated


def test_a_short_password_of_the_settings_is_refused(backend: StoreBackend, passwords: Passwords) -> None:
    with pytest.raises(BackendError, match="at least 12"):
        prepare(backend.database, ServerSettings(admin_password="short"), passwords)


def test_tls_needs_both_files(tmp_path: Path) -> None:
    assert tls_options(ServerSettings()) == {}
    with pytest.raises(ConfigurationError, match="go together"):
        tls_options(ServerSettings(tls_cert_file=CERTIFICATE))
    with pytest.raises(ConfigurationError, match="There is no file"):
        tls_options(ServerSettings(tls_cert_file=CERTIFICATE, tls_key_file=tmp_path / "none"))


def test_it_serves_https(passwords: Passwords, dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_SERVER_TLS_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("DALSEGNO_SERVER_TLS_KEY_FILE", str(KEY))
    backend = StoreBackend.in_file(str(dalsegno_home / "dalsegno.db"))
    Accounts(backend.database, passwords).create_first_admin("root", PASSWORD)
    backend.close()
    command = [sys.executable, "-m", "dalsegno", "server", "start", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        context = ssl.create_default_context(cafile=str(CERTIFICATE))
        login = {"name": "root", "password": PASSWORD}
        answer = httpx.post(f"{url}/api/login", json=login, verify=context, timeout=60)
        server.terminate()
    assert url.startswith("https://127.0.0.1:")
    assert answer.status_code == 200
    assert answer.headers["set-cookie"].startswith("__Host-dalsegno_session=")
    assert "Secure" in answer.headers["set-cookie"]
