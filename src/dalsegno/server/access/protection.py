"""Stands in front of the application: a foreign web page, or a name that was rebound to us, gets nothing done.

Browsers say where a request comes from (Host, Origin, Sec-Fetch-Site), and what they say is checked here, before
anything else is looked at. Programs say nothing of it and pass; they have to show who they are (`guard`). Every
answer gets the headers by which a browser keeps it to itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from dalsegno.exceptions import ConfigurationError
from dalsegno.server import problems
from dalsegno.server.access.auditing import Auditing
from dalsegno.server.access.hosts import Hosts
from dalsegno.server.access.peers import Headers, Peer, Peers
from dalsegno.settings.fields import ServerSettings

_BODIES = (
    b"application/json",
    b"application/msgpack",
    b"application/x-msgpack",
    b"application/merge-patch+json",
    b"application/octet-stream",  # result files
)
"""None of these can be sent to another origin without asking first."""

_COMMON: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
_POLICY = b"content-security-policy"
_CACHE = b"cache-control"
# A handler that gives one of these itself knows better.
_OF_API = {_POLICY: b"default-src 'none'; frame-ancestors 'none'", _CACHE: b"no-store"}
_OF_PAGE = {
    _POLICY: b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    _CACHE: b"no-cache",
}
_PREFLIGHT: list[tuple[bytes, bytes]] = [
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, content-encoding, dalsegno-version, if-match, if-none-match, last-event-id",
    ),
    (b"access-control-max-age", b"600"),
]
_EXPOSED = (b"access-control-expose-headers", b"etag, retry-after, location, dalsegno-version")


class Protection:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, auditing: Auditing) -> None:
        self._app = app
        self._hosts = Hosts(settings.host, settings.allowed_hosts)
        self._peers = Peers(settings.trusted_proxies)
        self._origins = frozenset(_origin(text) for text in settings.cors_origins)
        self._auditing = auditing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._let_in(scope, receive, send)

    async def _let_in(self, scope: Any, receive: Receive, send: Send) -> None:
        headers: Headers = scope["headers"]
        by_name = dict(headers)
        client = scope.get("client")
        peer = self._peers.peer("" if client is None else client[0], scope["scheme"], headers, by_name)
        foreign = self._foreign_origin(peer, by_name)
        scope["dalsegno_peer"] = peer
        scope["dalsegno_foreign"] = foreign is not None
        refused = self._refusal(scope, peer, foreign, by_name)
        if scope["type"] == "websocket":
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refused[1][:100]})
            return
        guarded = self._with_headers(scope, send, foreign)
        if refused is not None:
            await _refuse(scope, guarded, *refused)
        elif foreign is not None and scope["method"] == "OPTIONS":
            await guarded({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await guarded({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._app(scope, receive, guarded)

    def _foreign_origin(self, peer: Peer, by_name: Mapping[bytes, bytes]) -> bytes | None:
        """Return the origin of a request if it is another one than the server's."""
        origin = by_name.get(b"origin")
        if origin is None or peer.host is None:
            return origin
        scheme = {"ws": "http", "wss": "https"}.get(peer.scheme, peer.scheme)
        return None if origin.decode("latin-1").lower() == f"{scheme}://{peer.host.lower()}" else origin

    def _refusal(
        self, scope: Any, peer: Peer, foreign: bytes | None, by_name: Mapping[bytes, bytes]
    ) -> tuple[int, str] | None:
        """Return the status and the reason for which a request is refused; None: it is let in."""
        if peer.host not in self._hosts:
            return 403, (
                f"This server is not known as {peer.host!r}. If that is a name of it, add it to "
                "DALSEGNO_SERVER_ALLOWED_HOSTS."
            )
        method = scope.get("method", "GET")
        if foreign is not None:
            if foreign not in self._origins or scope["type"] == "websocket":
                return 403, f"Pages of {foreign.decode('latin-1')!r} may not use this server."
        elif by_name.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not _is_navigation(method, by_name):
            return 403, "Pages of other origins may not use this server."
        length = by_name.get(b"content-length", b"0")
        if (length != b"0" or b"transfer-encoding" in by_name) and method != "OPTIONS":
            kind = by_name.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind not in _BODIES:
                return 415, "Bodies are taken as application/json or application/msgpack only."
        return None

    def _with_headers(self, scope: Any, send: Send, foreign: bytes | None) -> Send:
        defaults = _OF_API if scope["path"].startswith("/api/") else _OF_PAGE
        crossing = foreign is not None and foreign in self._origins

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[tuple[bytes, bytes]] = [*message["headers"], *_COMMON]
                given = {name for name, _ in message["headers"]}
                headers += [default for default in defaults.items() if default[0] not in given]
                if foreign is not None and crossing:
                    headers += [(b"access-control-allow-origin", foreign), (b"vary", b"origin"), _EXPOSED]
                else:
                    headers.append(_SAME_ORIGIN)
                message["headers"] = headers
                if "dalsegno_audit" in scope:
                    await self._auditing.complete(scope, message["status"])
            await send(message)

        return send_with_headers


def _is_navigation(method: str, by_name: Mapping[bytes, bytes]) -> bool:
    """Tell whether somebody follows a link to us: a page of its own, not a part of one."""
    if method not in ("GET", "HEAD") or by_name.get(b"sec-fetch-mode") != b"navigate":
        return False
    return by_name.get(b"sec-fetch-dest") == b"document"


async def _refuse(scope: Any, send: Send, status: int, reason: str) -> None:
    instance = problems.request_id_of(scope)
    logging.getLogger("dalsegno.server").info("Request %s was refused (%s): %s", instance, status, reason)
    body = problems.body_of(status, reason, instance)
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _origin(text: str) -> bytes:
    """Return an origin of the setting as a browser writes it."""
    origin = text.strip().lower().rstrip("/")
    scheme, separator, host = origin.partition("://")
    if scheme not in ("http", "https") or not separator or not host or set(host) & set("/*?#@ "):
        raise ConfigurationError(
            f"DALSEGNO_SERVER_CORS_ORIGINS has {text!r}: an origin is like https://app.example.org, and * is none."
        )
    return origin.encode()
