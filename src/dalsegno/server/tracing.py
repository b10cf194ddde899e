"""What happens around every request: it gets an id, it is logged, and clients of too old or new a version are told so.

The id is taken from the header `x-request-id` where a proxy has set one, and stands in the answer and in the log.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

import dalsegno
from dalsegno.server import versions
from dalsegno.server.problems import MEDIA_TYPE, REQUEST_ID, VersionMismatch, encode_problem, problem_of

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("dalsegno.server.requests")


def traced(app: ASGIApp, note: Callable[[Scope, int, float], None]) -> ASGIApp:
    """Return an application around another, the middleware; `note` is told of each request, its status and seconds."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        id = _request_id(headers.get(b"x-request-id"))
        cast("dict[str, Any]", scope)[REQUEST_ID] = id
        began, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, id)
            await send(message)

        refused = versions.refusal(_text(headers.get(versions.HEADER.encode())))
        try:
            if refused is not None and scope["path"].startswith("/api/"):
                await _refuse(answer, refused, id)
            else:
                await app(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            note(scope, status, seconds)
            _log.info(
                "%s %s %d in %.1f ms (request %s)",
                scope["method"],
                quote(scope["path"]),  # it is decoded: an end of line would forge lines of the log
                status,
                seconds * 1000,
                id,
            )

    return handle


def _request_id(given: bytes | None) -> str:
    return given.decode() if given is not None and _GIVEN.fullmatch(given) else uuid.uuid4().hex


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _add_headers(message: HTTPResponseStartEvent, id: str) -> None:
    message["headers"] = [
        *message["headers"],
        (b"x-request-id", id.encode()),
        (versions.HEADER.encode(), dalsegno.__version__.encode()),
    ]


async def _refuse(send: Send, reason: str, id: str) -> None:
    body = encode_problem(problem_of(VersionMismatch(reason)), id)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
