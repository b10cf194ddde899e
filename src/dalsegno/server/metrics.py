"""Counts what one process of a server does: requests and how long they take, batches that it applies, who waits.

What there is in the database is no business of it: that is read when somebody asks (`dalsegno._store.gauges`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dalsegno._backend.operations import PATH, operations
from dalsegno.model.records import Batch, Receipt
from dalsegno.server.exposition import Family, Histogram, Sample

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WAITING = frozenset({PATH + "wait_for_change", PATH + "wait_for_wish", PATH + "wait_for_work", "/api/live"})
"""Routes that take as long as they take: they are counted, and not measured."""
_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What happened since the process started. May be told from any thread."""

    def __init__(self) -> None:
        self.started = time.time()
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, Histogram] = {}
        self._applied: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._batches = 0
        self._fenced = 0

    def note_request(self, scope: Any, status: int, seconds: float) -> None:
        """Count a request that was answered; `status` 0: nobody was there any more to be answered."""
        route = route_of(scope)
        method: str = scope["method"] if scope["method"] in _METHODS else "other"
        with self._lock:
            self._requests[route, method, str(status or "none")] += 1
            if route not in _WAITING:
                histogram = self._durations.get(route)
                if histogram is None:
                    histogram = self._durations[route] = Histogram(_BOUNDS)
                histogram.add(seconds)

    def note_batch(self, batch: Batch, receipt: Receipt) -> None:
        """Count a batch that was applied."""
        with self._lock:
            self._batches += 1
            self._fenced += bool(receipt.fenced)
            self._applied["flow_run"] += len(batch.flow_runs)
            self._applied["task_run"] += len(batch.task_runs)
            self._applied["log"] += len(batch.logs)
            self._applied["artifact"] += len(batch.artifacts)

    @contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Count somebody who waits, while the block lasts."""
        with self._lock:
            self._waiting[what] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[what] -= 1

    def families(self) -> list[Family]:
        """Return all that was counted."""
        with self._lock:
            return [
                Family(
                    "dalsegno_http_requests_total",
                    "counter",
                    "Requests that were answered.",
                    [
                        Sample(count, {"route": route, "method": method, "status": status})
                        for (route, method, status), count in sorted(self._requests.items())
                    ],
                ),
                Family(
                    "dalsegno_http_request_duration_seconds",
                    "histogram",
                    "How long requests took, but for those that wait for something to happen.",
                    [
                        sample
                        for route, histogram in sorted(self._durations.items())
                        for sample in histogram.samples({"route": route})
                    ],
                ),
                Family(
                    "dalsegno_waiting_requests",
                    "gauge",
                    "Requests that wait for something to happen: live streams, long polls.",
                    [Sample(count, {"for": what}) for what, count in sorted(self._waiting.items())],
                ),
                Family(
                    "dalsegno_journal_batches_total",
                    "counter",
                    "Batches of running flows that were applied.",
                    [Sample(self._batches)],
                ),
                Family(
                    "dalsegno_journal_fenced_batches_total",
                    "counter",
                    "Batches of attempts that were over: nothing of those attempts was applied.",
                    [Sample(self._fenced)],
                ),
                Family(
                    "dalsegno_journal_snapshots_total",
                    "counter",
                    "Records that came in batches, by kind.",
                    [Sample(count, {"kind": kind}) for kind, count in sorted(self._applied.items())],
                ),
            ]


def route_of(scope: Any) -> str:
    """Return the route that a request was for, of a bounded number of routes."""
    template: str | None = scope.get("path_template")
    if template is None:
        return _NO_ROUTE
    if not template.startswith(PATH):
        return template
    name = str(scope.get("path_params", {}).get("operation"))
    return PATH + (name if name in operations() else "{operation}")
