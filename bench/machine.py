"""The shape of the machine that a run was made on, without its name or any path."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from measure import median

FSYNC_TRIES = 31


def shape(folder: Path) -> Mapping[str, str | int | float]:
    """What a reader must know of this machine to judge the figures; `folder` is on the disk that is written."""
    return {
        "cpu": _first_value("/proc/cpuinfo", "model name") or "unknown",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        "python": "{}.{}.{}".format(*sys.version_info),
        "load_before": round(os.getloadavg()[0], 2),
        "fsync_ms": round(_fsync_milliseconds(folder), 2),
    }


def _first_value(path: str, key: str) -> str | None:
    if not Path(path).exists():
        return None
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return None


def _fsync_milliseconds(folder: Path) -> float:
    """The median time of writing a page of 4 KiB to its disk."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return median([_timed_write(file) for _ in range(FSYNC_TRIES)]) * 1e3


def _timed_write(file: IO[bytes]) -> float:
    began = time.perf_counter()
    file.write(bytes(4096))
    file.flush()
    os.fsync(file.fileno())
    return time.perf_counter() - began
