"""What the cases of a server's start measure: until it answers, on an empty database and on the one that this left;
then what it uses while nobody asks anything of it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import probe
import serving

SETTLING_SECONDS = 3.0


def measure(peer: str) -> None:
    """Start the server twice and report; the size is for how many seconds it is watched."""
    binaries = Path(sys.executable).parent
    database_url = os.environ["BENCH_DATABASE_URL"]
    with serving.serving(peer, binaries, database_url, os.environ, probe.home()) as empty:
        pass
    with serving.serving(peer, binaries, database_url, os.environ, probe.home()) as existing:
        time.sleep(SETTLING_SECONDS)
        before, began = existing.cpu_seconds(), time.perf_counter()
        time.sleep(probe.size())
        watched = time.perf_counter() - began
        used = existing.cpu_seconds() - before
        memory = existing.memory_bytes()
    probe.report(
        start_empty_ms=empty.start_seconds * 1e3,
        start_existing_ms=existing.start_seconds * 1e3,
        idle_mb=memory / 1e6,
        idle_cpu_ms_per_second=used * 1e3 / watched,
    )
