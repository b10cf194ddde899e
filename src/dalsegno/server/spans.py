"""A span for each request, as part of the trace that its client sends along; loaded only where traces are on."""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from dalsegno.server.metrics import route_of
from dalsegno.server.problems import request_id_of
from dalsegno.server.routes import METRICS

_LEFT_OUT = frozenset({"/api/health", "/api/ready", METRICS})
"""What machines ask every few seconds."""


def with_spans(app: ASGIApp, tracer: Tracer) -> ASGIApp:
    """Return an application around another: the middleware."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _LEFT_OUT:
            await app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method: str = scope["method"]
        with tracer.start_as_current_span(
            method,
            context=propagate.extract(headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.path": scope["path"]},
        ) as span:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _finish(span, scope, message)
                await send(message)

            await app(scope, receive, answer)

    return handle


def _finish(span: Span, scope: Any, message: Any) -> None:
    """Say in a span what is known once there is an answer: which route it was for, and how it went."""
    route, status = route_of(scope), message["status"]
    span.update_name(f"{scope['method']} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("dalsegno.request_id", request_id_of(scope))
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
