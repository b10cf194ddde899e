"""Where a server is, and how one speaks to it: its URL, what each request says of who asks, TLS."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import httpcore

import dalsegno
from dalsegno.exceptions import ConfigurationError
from dalsegno.settings import Settings


def read_url(url: str) -> httpcore.URL:
    """Return the parts of the URL of an API. Raises ConfigurationError."""
    try:
        split = urlsplit(url)
        has_user = split.username is not None
        target = None if has_user or split.query or split.fragment else httpcore.URL(url)
    except (ValueError, TypeError):  # no port, no address in its brackets, or not ASCII
        has_user, target = "@" in url, None
    if has_user:
        raise ConfigurationError(
            "DALSEGNO_API_URL has a user or password in it, which the server does not know: show an API key "
            "(DALSEGNO_API_KEY) instead."
        )
    if target is None or target.scheme not in (b"http", b"https") or not target.host:
        raise ConfigurationError(f"DALSEGNO_API_URL is {url!r}: it must be like 'http://127.0.0.1:4200/api'.")
    return target


def headers_of(settings: Settings) -> dict[str, str]:
    """Return what every request says: who asks, and with which version."""
    headers = {"user-agent": f"dalsegno/{dalsegno.__version__}", "dalsegno-version": dalsegno.__version__}
    if settings.api.key:
        headers["authorization"] = f"Bearer {_sendable(settings.api.key)}"
    return headers


def _sendable(key: str) -> str:
    """Return an API key as a header takes it: whoever reads it from a file has the end of the line too."""
    stripped = key.strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        # Here, for a request that cannot be made would have it in its error.
        raise ConfigurationError("DALSEGNO_API_KEY is no API key: it has spaces, ends of lines or odd letters in it.")
    return stripped


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return whose certificates are trusted."""
    api = settings.api
    if not api.tls_verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if api.tls_ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(api.tls_ca_file.expanduser()))
    except OSError as error:
        raise ConfigurationError(
            f"DALSEGNO_API_TLS_CA_FILE is {str(api.tls_ca_file)!r}, which cannot be used ({error.strerror or error})."
        ) from None
