"""Where a server is, and how one speaks to it: its URL, what each request says of who asks, TLS."""

from __future__ import annotations

import ssl

import httpcore

import dalsegno
from dalsegno.exceptions import ConfigurationError
from dalsegno.settings import Settings


def read_url(url: str) -> httpcore.URL:
    """Return the parts of the URL of an API. Raises ConfigurationError."""
    target = httpcore.URL(url)
    if target.scheme not in (b"http", b"https") or not target.host:
        raise ConfigurationError(f"DALSEGNO_API_URL is {url!r}: it must be like 'http://127.0.0.1:4200/api'.")
    return target


def headers_of(settings: Settings) -> dict[str, str]:
    """Return what every request says: who asks, and with which version."""
    headers = {"user-agent": f"dalsegno/{dalsegno.__version__}", "dalsegno-version": dalsegno.__version__}
    if settings.api.key:
        headers["authorization"] = f"Bearer {settings.api.key}"
    return headers


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return whose certificates are trusted."""
    api = settings.api
    if not api.tls_verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=None if api.tls_ca_file is None else str(api.tls_ca_file))
