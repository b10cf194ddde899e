"""URLs of PostgreSQL databases: which ones we take, what the driver gets, what people may see."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2"})
_SECRET = frozenset({"password", "sslpassword", "passfile"})


def is_postgresql(url: str) -> bool:
    """Tell whether a database URL means PostgreSQL."""
    return url.partition("://")[0] in SCHEMES


def for_driver(url: str) -> str:
    """Return the URL as libpq knows it."""
    parts = urlsplit(url)
    # What asyncpg calls ssl, libpq calls sslmode.
    query = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)]
    # libpq takes a plus for a plus.
    text = urlencode(query, quote_via=quote)
    return urlunsplit(("postgresql", parts.netloc, parts.path, text, ""))


def for_people(url: str) -> str:
    """Return the URL without what is secret."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in _SECRET]
    place = f"{user.partition(':')[0]}{at}{host}"
    return urlunsplit(("postgresql", place, parts.path, urlencode(query), ""))


def database_name(url: str) -> str:
    """Return the name of the database; empty where the URL leaves it to the driver."""
    return unquote(urlsplit(url).path.lstrip("/"))
