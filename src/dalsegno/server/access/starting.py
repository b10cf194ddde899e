"""What is looked at before a server begins to listen: beyond loopback it needs an admin, and TLS both its files."""

from __future__ import annotations

from typing import Any

from dalsegno._store.connection import Database
from dalsegno.exceptions import ConfigurationError
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.passwords import Passwords
from dalsegno.server.access.peers import is_loopback
from dalsegno.settings.fields import ServerSettings


def prepare(database: Database, settings: ServerSettings, passwords: Passwords | None = None) -> None:
    """Make the admin that the settings name, if there is none. Raises ConfigurationError if it must not listen so."""
    accounts = Accounts(database, passwords or Passwords())
    if settings.admin_password is not None:
        accounts.create_first_admin(settings.admin_name, settings.admin_password)
    if not is_loopback(settings.host) and not accounts.has_admin():
        raise ConfigurationError(
            f"The server would listen on {settings.host!r}, where others reach it, and it has no admin yet. Make one "
            "with `dalsegno server create-admin`, or set DALSEGNO_SERVER_ADMIN_PASSWORD (and "
            "DALSEGNO_SERVER_ADMIN_NAME); or listen on 127.0.0.1."
        )


def tls_options(settings: ServerSettings) -> dict[str, Any]:
    """Return what uvicorn is to be told of TLS. Raises ConfigurationError if a file is missing."""
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if certificate is None and key is None:
        return {}
    if certificate is None or key is None:
        raise ConfigurationError("DALSEGNO_SERVER_TLS_CERT_FILE and DALSEGNO_SERVER_TLS_KEY_FILE go together.")
    for path in (certificate, key):
        if not path.expanduser().is_file():
            raise ConfigurationError(f"There is no file {path}, which the settings of the server's TLS name.")
    return {
        "ssl_certfile": str(certificate.expanduser()),
        "ssl_keyfile": str(key.expanduser()),
        "ssl_keyfile_password": settings.tls_key_password,
    }
