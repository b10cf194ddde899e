"""The cookie that holds a browser's session: scripts cannot read it, other sites cannot have it sent along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from litestar.datastructures import Cookie

from dalsegno.server.access.peers import Peer

_PLAIN = "dalsegno_session"
_SECURE = "__Host-dalsegno_session"
_SAME_SITE: Literal["lax"] = "lax"


def name_for(peer: Peer) -> str:
    """Return the name of the cookie: over TLS a browser takes it from this host alone, and only encrypted."""
    return _SECURE if peer.scheme == "https" else _PLAIN


def session_cookie(peer: Peer, token: str, seconds: int) -> Cookie:
    """Return the cookie that gives a session to a browser."""
    return _cookie(peer, token, seconds)


def no_cookie(peer: Peer) -> Cookie:
    """Return the cookie that takes the session away."""
    return _cookie(peer, "", 0)


def token_in(peer: Peer, cookies: Mapping[str, str]) -> str | None:
    """Return the token that a browser sent."""
    return cookies.get(name_for(peer)) or None


def _cookie(peer: Peer, value: str, seconds: int) -> Cookie:
    return Cookie(
        key=name_for(peer),
        value=value,
        max_age=seconds,
        path="/",
        secure=peer.scheme == "https",
        httponly=True,
        samesite=_SAME_SITE,
    )
