"""`/metrics`: numbers for Prometheus, and whatever reads its format. Each scrape is a few look-ups in indexes."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

import anyio
from litestar import Request, Response, get

import dalsegno
from dalsegno._store import gauges
from dalsegno._store.gauges import MOST, Gauges
from dalsegno.model.resources.services import ServiceView
from dalsegno.server.asking import read
from dalsegno.server.exposition import MEDIA_TYPE, Family, Sample, write
from dalsegno.server.routes import METRICS

_UP_TO = f"Counted up to {MOST}."


@get(METRICS, include_in_schema=False)
async def read_metrics(request: Request[Any, Any, Any]) -> Response[str]:
    """Return the numbers of this process, and of the database that all share."""
    state = request.app.state
    found = await read(request, gauges.read, state.database.now())
    families = [
        *_of_process(state.metrics.started, state.store_calls),
        *state.metrics.families(),
        *_of_services(state.services.list()),
    ]
    # Which of several processes answers is chance: told apart, the counters of each only rise.
    several = state.settings.server.workers > 1
    text = write(_of_database(found), {}) + write(families, {"process": str(os.getpid())} if several else {})
    return Response(text, media_type=MEDIA_TYPE)


def _of_database(found: Gauges) -> list[Family]:
    def gauge(name: str, help: str, value: float) -> Family:
        return Family(f"dalsegno_{name}", "gauge", help, [Sample(value)])

    return [
        _by_state("dalsegno_flow_runs", f"Flow runs that have not ended. {_UP_TO}", found.live_runs),
        _by_state(
            "dalsegno_recent_flow_runs", f"Flow runs that were made within the last hour. {_UP_TO}", found.recent_runs
        ),
        gauge("queued_runs", f"Runs that wait to be claimed. {_UP_TO}", found.queued),
        gauge("oldest_ready_run_seconds", "How long the first run of the queue has been due.", found.oldest_ready),
        gauge("claimed_runs", f"Runs that somebody claimed and holds a lease of. {_UP_TO}", found.claimed),
        gauge("processes", f"Processes that record runs and have not ended. {_UP_TO}", found.processes),
        gauge("slots_held", "Slots of concurrency limits that are held.", found.slots_held),
        gauge("slot_waiters", f"Who waits for slots of concurrency limits. {_UP_TO}", found.slot_waiters),
        gauge("database_bytes", "Size of the database.", found.database_bytes),
    ]


def _by_state(name: str, help: str, counts: dict[str, int]) -> Family:
    return Family(name, "gauge", help, [Sample(count, {"state": state}) for state, count in counts.items()])


def _of_process(started: float, store_calls: anyio.CapacityLimiter) -> list[Family]:
    calls = store_calls.statistics()
    used = resource.getrusage(resource.RUSAGE_SELF)
    families = [
        Family("dalsegno_info", "gauge", "The version.", [Sample(1, {"version": dalsegno.__version__})]),
        Family("dalsegno_uptime_seconds", "gauge", "Since the process serves.", [Sample(time.time() - started)]),
        Family(
            "dalsegno_store_calls",
            "gauge",
            "Requests that ask the database now, and that wait for a thread to do it in.",
            [
                Sample(calls.borrowed_tokens, {"state": "running"}),
                Sample(calls.tasks_waiting, {"state": "waiting"}),
            ],
        ),
        Family(
            "process_cpu_seconds_total", "counter", "CPU time of the process.", [Sample(used.ru_utime + used.ru_stime)]
        ),
    ]
    if (resident := _resident_bytes()) is not None:
        families.append(Family("process_resident_memory_bytes", "gauge", "Memory of the process.", [Sample(resident)]))
    return families


def _of_services(services: list[ServiceView]) -> list[Family]:
    return [
        Family(
            "dalsegno_service_ticks_total",
            "counter",
            "Ticks of the loops beside the requests.",
            [Sample(each.ticks, {"service": each.name}) for each in services],
        ),
        Family(
            "dalsegno_service_failures_total",
            "counter",
            "Ticks that failed.",
            [Sample(each.errors, {"service": each.name}) for each in services],
        ),
        Family(
            "dalsegno_service_last_tick_timestamp_seconds",
            "gauge",
            "When a loop last ticked.",
            [Sample(each.last_tick / 1e6, {"service": each.name}) for each in services if each.last_tick],
        ),
    ]


def _resident_bytes() -> int | None:
    """Return the memory of this process; None where the system does not tell so cheaply."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


routes = [read_metrics]
