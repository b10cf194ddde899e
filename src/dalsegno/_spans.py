"""Traces by OpenTelemetry, where the setting `traces.enabled` asks for them: who makes spans, and who is told of them.

Without the setting nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dalsegno.exceptions import ConfigurationError
from dalsegno.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_NAME = "dalsegno"
_PATH = "v1/traces"
_lock = threading.Lock()


def open_tracer(settings: Settings) -> Tracer | None:
    """Return what makes spans; None where traces are off. Raises ConfigurationError if OpenTelemetry is not there.

    Spans go where the program itself sends its own, if it has set OpenTelemetry up, and else by OTLP over HTTP.
    """
    if not settings.traces.enabled:
        return None
    try:
        from opentelemetry import trace

        with _lock:
            if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
                trace.set_tracer_provider(_provider(settings.traces.endpoint))
    except ImportError as error:
        raise ConfigurationError(
            f"DALSEGNO_TRACES_ENABLED is set, and OpenTelemetry cannot be imported ({error}): install it with "
            "`pip install 'dalsegno[otel]'`."
        ) from error
    return trace.get_tracer(_NAME)


def trace_headers() -> list[tuple[bytes, bytes]]:
    """Return the headers (W3C trace context) by which a request belongs to the span that is current here."""
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [(name.encode(), value.encode()) for name, value in carrier.items()]


def _provider(endpoint: str | None) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What the variables of OpenTelemetry say goes first.
    resource = Resource({SERVICE_NAME: _NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    url = None if endpoint is None else f"{endpoint.rstrip('/').removesuffix('/' + _PATH)}/{_PATH}"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider
