"""Traces: a span for each time that a body runs and for each request to a server, as one tree; nothing without the
setting."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.served import serving

from dalsegno import flow, task
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import ConfigurationError
from dalsegno.settings import temporary_settings
from dalsegno.task_runners import ProcessPoolTaskRunner
from dalsegno.variables import Variable

_exporter = InMemorySpanExporter()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Have the program's own OpenTelemetry keep its spans, and traces on; gives where they are."""
    # There is one for the whole process, and it can be set once.
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_exporter))
        trace.set_tracer_provider(provider)
    _exporter.clear()
    monkeypatch.setenv("DALSEGNO_TRACES_ENABLED", "true")
    yield _exporter
    _exporter.clear()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def id_of(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context.span_id


def parent_of(span: ReadableSpan) -> Any:
    return None if span.parent is None else span.parent.span_id


@task
def add_one(number: int) -> int:
    with trace.get_tracer("user").start_as_current_span("own work"):
        return number + 1


@task
async def add_one_later(number: int) -> int:
    await asyncio.sleep(0)
    with trace.get_tracer("user").start_as_current_span("own work"):
        return number + 1


def test_task_runs_are_within_their_flow_run_and_the_bodys_own_spans_within_them(spans: InMemorySpanExporter) -> None:
    @flow
    def inner(number: int) -> int:
        return add_one(number)

    @flow
    def outer() -> int:
        return inner(1) + add_one.submit(2).result() + add_one_later.submit(3).result()

    state = outer(return_state=True)
    assert state.result() == 2 + 3 + 4
    (root,) = named(spans, "flow outer")
    (nested,) = named(spans, "flow inner")
    direct, submitted = sorted(named(spans, "task add_one"), key=lambda span: parent_of(span) == id_of(root))
    (later,) = named(spans, "task add_one_later")
    assert parent_of(root) is None
    assert parent_of(nested) == id_of(root)
    assert parent_of(direct) == id_of(nested)
    assert parent_of(submitted) == parent_of(later) == id_of(root)
    own = {parent_of(span) for span in named(spans, "own work")}
    assert own == {id_of(direct), id_of(submitted), id_of(later)}
    assert root.attributes is not None
    assert root.attributes["dalsegno.flow_run.run_count"] == 1
    assert direct.attributes is not None
    assert direct.attributes["dalsegno.root_run.id"] == root.attributes["dalsegno.flow_run.id"]


def test_each_try_has_a_span_and_one_that_failed_says_so(spans: InMemorySpanExporter) -> None:
    tries: list[int] = []

    @task(retries=1)
    def flaky() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")

    @flow
    def outer() -> None:
        flaky()

    outer()
    first, second = named(spans, "task flaky")
    assert first.status.status_code is trace.StatusCode.ERROR
    assert first.status.description == "ValueError: not yet"
    assert [event.name for event in first.events] == ["exception"]
    assert second.status.status_code is trace.StatusCode.UNSET
    assert second.attributes is not None
    assert second.attributes["dalsegno.task_run.run_count"] == 2


def test_async_flows_and_generators_are_traced(spans: InMemorySpanExporter) -> None:
    @task
    def numbers() -> Any:
        yield from range(3)

    @flow
    async def outer() -> int:
        return sum([*numbers()]) + await add_one_later(1)

    assert asyncio.run(outer()) == 3 + 2
    (root,) = named(spans, "flow outer")
    assert [parent_of(span) for span in named(spans, "task add_one_later")] == [id_of(root)]
    assert len(named(spans, "task numbers")) == 1


def test_bodies_in_other_processes_have_spans_here(spans: InMemorySpanExporter) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def outer() -> int:
        return add_one.submit(1).result()

    assert outer() == 2
    (root,) = named(spans, "flow outer")
    assert [parent_of(span) for span in named(spans, "task add_one")] == [id_of(root)]


@pytest.mark.embedded
def test_a_request_to_the_server_is_part_of_the_trace_of_who_makes_it(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def remember() -> None:
        Variable.set("day", "monday")

    @flow
    def outer() -> None:
        remember()

    backend = StoreBackend.in_memory()
    with serving(backend) as url:
        monkeypatch.setenv("DALSEGNO_API_URL", url)
        outer()
        (caller,) = named(spans, "task remember")
        (asked,) = named(spans, "POST /api/engine/set_variable")
        assert parent_of(asked) == id_of(caller)
        assert asked.context is not None
        assert caller.context is not None
        assert asked.context.trace_id == caller.context.trace_id
        assert asked.attributes is not None
        assert asked.attributes["http.response.status_code"] == 200
        assert asked.kind is trace.SpanKind.SERVER
        close_connections()
    backend.close()


def close_connections() -> None:
    from tests.conftest import close_embedded_backend

    close_embedded_backend()


def test_without_the_setting_there_are_no_spans_and_nothing_is_imported() -> None:
    program = (
        "import sys\n"
        "from dalsegno import flow, task\n"
        "@task\ndef one(): return 1\n"
        "@flow\ndef all(): return one()\n"
        "assert all() == 1\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.strip() == "[]", ended.stderr


def test_a_missing_opentelemetry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    @flow
    def outer() -> None: ...

    with temporary_settings({"DALSEGNO_TRACES_ENABLED": "true"}), pytest.raises(ConfigurationError, match="otel"):
        outer()


def test_a_program_that_sets_nothing_up_sends_its_spans_to_the_endpoint() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    program = "from dalsegno import flow\n@flow\ndef nightly(): ...\nnightly()\n"
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        settings = {
            "DALSEGNO_TRACES_ENABLED": "true",
            "DALSEGNO_TRACES_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **settings}, timeout=60, check=True, capture_output=True
        )
        collector.shutdown()
        thread.join()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"flow nightly" in body
    assert b"dalsegno" in body
