"""How long each list and count of the API takes, with each of its filters finding none, few and most, at a million
task runs: in one flow run, and over ten thousand. Asked over HTTP of a server in a process of its own.

With a folder as a second argument the databases are kept there and used again.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

import databases
import probe
import serving
from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_text, id_time

REPEATS = 30
BUDGET_MS = 50.0
RUNS = 10_000

Query = dict[str, Any]


def flow_run_queries(middle: bytes) -> dict[str, Query]:
    """Name queries of flow runs: each filter with none, few and most."""
    moment = _time(id_time(middle))
    return {
        "all": {},
        "state-type none": {"state-type": "CANCELLED"},
        "state-type few": {"state-type": "FAILED"},
        "state-type most": {"state-type": "COMPLETED"},
        "state-name none": {"state-name": "Skipped"},
        "state-name few": {"state-name": "TimedOut"},
        "state-name most": {"state-name": "Completed"},
        "flow-name none": {"flow-name": "yearly"},
        "flow-name few": {"flow-name": "monthly"},
        "flow-name most": {"flow-name": "nightly"},
        "name none": {"name": "odd-owl"},
        "name few": {"name": "rare-newt"},
        "name most": {"name": "brave-otter"},
        "name-prefix none": {"name-prefix": "odd"},
        "name-prefix few": {"name-prefix": "rare"},
        "name-prefix most": {"name-prefix": "brave"},
        "name-like none": {"name-like": "owl"},
        "name-like few": {"name-like": "newt"},
        "name-like most": {"name-like": "otter"},
        "tag none": {"tag": "nothing"},
        "tag few": {"tag": "seldom"},
        "tag most": {"tag": "nightly"},
        "created-after half": {"created-after": moment},
        "created-before half": {"created-before": moment},
        "started-after none": {"started-after": "2200-01-01T00:00:00Z"},
        "started-before none": {"started-before": "1990-01-01T00:00:00Z"},
        "started-before most": {"started-before": "2200-01-01T00:00:00Z"},
        "parent-flow-run-id none": {"parent-flow-run-id": id_text(middle)},
        "root-run-id few": {"root-run-id": id_text(middle)},
        "id-prefix few": {"id-prefix": id_text(middle)[:12]},
        "top-level most": {"top-level": True},
        "state-type and flow-name none": {"state-type": "FAILED", "flow-name": "nightly"},
    }


def task_run_queries(middle: bytes) -> dict[str, Query]:
    """Name queries of task runs: each filter with none, few and most."""
    moment, run = _time(id_time(middle)), id_text(middle)
    return {
        "all": {},
        "state-type none": {"state-type": "CANCELLED"},
        "state-type few": {"state-type": "FAILED"},
        "state-type most": {"state-type": "COMPLETED"},
        "state-name none": {"state-name": "Skipped"},
        "state-name few": {"state-name": "TimedOut"},
        "state-name most": {"state-name": "Completed"},
        "task-name none": {"task-name": "nothing"},
        "task-name few": {"task-name": "rare"},
        "task-name most": {"task-name": "clean"},
        "flow-name none": {"flow-name": "yearly"},
        "flow-name few": {"flow-name": "monthly"},
        "flow-name most": {"flow-name": "nightly"},
        "name none": {"name": "nothing"},
        "name few": {"name": "an odd one"},
        "name default": {"name": "clean-9f5"},
        "name-prefix none": {"name-prefix": "nothing"},
        "name-prefix few": {"name-prefix": "an odd"},
        "name-prefix most": {"name-prefix": "clean"},
        "name-like none": {"name-like": "nothing"},
        "name-like few": {"name-like": "odd one"},
        "name-like most": {"name-like": "lea"},
        "tag none": {"tag": "nothing"},
        "tag few, of the run": {"tag": "odd"},
        "tag few, of the task": {"tag": "seldom"},
        "tag most": {"tag": "nightly"},
        "flow-run-id": {"flow-run-id": run},
        "flow-run-id, state-type none": {"flow-run-id": run, "state-type": "CANCELLED"},
        "flow-run-id, state-type few": {"flow-run-id": run, "state-type": "FAILED"},
        "flow-run-id, state-type most": {"flow-run-id": run, "state-type": "COMPLETED"},
        "root-run-id": {"root-run-id": run},
        "root-run-id, task-name few": {"root-run-id": run, "task-name": "rare"},
        "parent-task-run-id none": {"parent-task-run-id": run},
        "created-after most": {"created-after": moment},
        "created-before half": {"created-before": moment},
        "started-after none": {"started-after": "2200-01-01T00:00:00Z"},
        "started-before none": {"started-before": "1990-01-01T00:00:00Z"},
        "started-before most": {"started-before": "2200-01-01T00:00:00Z"},
        "id-prefix few": {"id-prefix": run[:12]},
        "top-level most": {"top-level": True},
        "not superseded most": {"include-superseded": False},
        "state-type and task-name none": {"state-type": "FAILED", "task-name": "clean"},
    }


def log_queries(middle: bytes) -> dict[str, Query]:
    """Name queries of a log: each filter with none, few and most."""
    run = {"flow-run-id": id_text(middle)}
    return {
        "all": run,
        "newest": run | {"order": "newest"},
        "min-level none": run | {"min-level": 50},
        "min-level few": run | {"min-level": 40},
        "min-level most": run | {"min-level": 10},
        "text none": run | {"text": "nothing"},
        "text few": run | {"text": "without a customer"},
        "text most": run | {"text": "all is well"},
        "after none": run | {"after": "2200-01-01T00:00:00Z"},
    }


def requests(client: httpx.Client, middle: bytes) -> Iterator[tuple[str, Callable[[], httpx.Response]]]:
    """Give every request that is measured, with its name."""
    run = id_text(middle)
    lists = (("/flow-runs", flow_run_queries(middle)), ("/task-runs", task_run_queries(middle)))
    for path, queries in lists:
        for name, query in queries.items():
            for order in ("newest", "oldest"):
                yield f"{path} {name} {order}", _get(client, path, query | {"order": order, "limit": 50})
            yield f"{path}/count {name}", _get(client, f"{path}/count", query)
    for name, query in log_queries(middle).items():
        yield f"/logs {name}", _get(client, "/logs", query)
    year = {"start": "2026-01-01T00:00:00Z", "end": "2036-01-01T00:00:00Z", "spans": 100}
    yield "/flow-runs/history all", _get(client, "/flow-runs/history", year)
    yield "/flow-runs/history few", _get(client, "/flow-runs/history", year | {"flow-name": "monthly"})
    yield "/flow-runs/ID", _get(client, f"/flow-runs/{run}", {})
    yield "/flow-runs/ID/graph 500", _get(client, f"/flow-runs/{run}/graph", {"limit": 500})
    yield "/flows", _get(client, "/flows", {})
    yield "/artifacts/latest", _get(client, "/artifacts/latest", {})
    yield "/variables", _get(client, "/variables", {})


def measure(server: serving.Serving, middle: bytes) -> dict[str, tuple[float, float, float]]:
    """Return of each request the 95th percentile and the median of the time it takes, and the time that the server
    computes, which other work on the machine does not change; in milliseconds."""
    found: dict[str, tuple[float, float, float]] = {}
    with httpx.Client(base_url=server.api_url, timeout=60) as client:
        for name, ask in requests(client, middle):
            probe.require(ask().status_code == 200, f"{name}: {ask().text}")
            times: list[float] = []
            before = server.cpu_seconds()
            for _ in range(REPEATS):
                began = time.perf_counter()
                ask()
                times.append((time.perf_counter() - began) * 1000)
            p95 = sorted(times)[math.ceil(0.95 * REPEATS) - 1]
            found[name] = p95, statistics.median(times), (server.cpu_seconds() - before) * 1e3 / REPEATS
    return found


def _get(client: httpx.Client, path: str, query: Query) -> Callable[[], httpx.Response]:
    return lambda: client.get(path, params=query)


def _time(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment / 1_000_000))


if __name__ == "__main__":
    folder = Path(sys.argv[2]).absolute() if len(sys.argv) > 2 else probe.home()
    figures: dict[str, float] = {}
    for name, runs in (("one", 1), ("many", max(1, min(RUNS, probe.size() // 100)))):
        path, ids = folder / f"{name}.db", folder / f"{name}.ids"
        if not ids.exists():
            backend = StoreBackend.in_file(str(path), runs_age=None, logs_age=None)
            known = databases.fill(backend, probe.size(), runs)
            backend.close()
            ids.write_bytes(b"".join(known))
        middle = ids.read_bytes()[runs // 2 * 16 :][:16]
        own = os.environ | {"DALSEGNO_HOME": str(folder)}
        with serving.serving("dalsegno", Path(sys.executable).parent, f"sqlite:///{path}", own, folder) as server:
            measured = measure(server, middle)
        for request, (p95, median, cpu) in sorted(measured.items(), key=lambda each: -each[1][2]):
            over = "  OVER" if p95 > BUDGET_MS else ""
            print(f"{name:5} p95 {p95:6.1f}  median {median:6.1f}  server's CPU {cpu:6.1f} ms  {request}{over}")
        figures[f"{name}_worst_p95_ms"] = max(p95 for p95, _, _ in measured.values())
        figures[f"{name}_worst_cpu_ms"] = max(cpu for _, _, cpu in measured.values())
        figures[f"{name}_median_p95_ms"] = statistics.median(p95 for p95, _, _ in measured.values())
    probe.report(**figures)
