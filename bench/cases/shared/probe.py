"""What every case script uses to time a piece of work and to hand over its figures. Standard library only:
it is imported by the interpreters of all peers, and must cost none of them anything."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

WARM_UP_TASKS = 10


def size() -> int:
    """How many tasks or flow runs this process is asked for: its first argument."""
    return int(sys.argv[1])


def home() -> Path:
    """The folder that this process may fill."""
    return Path(os.environ["BENCH_HOME"])


def report(**figures: float) -> None:
    """Hand figures to the harness. Each name ends with its unit."""
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(figures))


def time_tasks(run: Callable[[int], int | None], tasks: int, *, warm_up: bool = True) -> dict[str, float]:
    """Call `run(tasks)` once, after a small warm-up, and say what one task cost.

    `run` adds up what its tasks gave (1, 2, ... tasks), which is checked; None if it checks by itself.
    `wall_us` is the wall time of the whole call over its tasks, `cpu_us` the CPU time of all threads of this
    process. `tasks` is how many task runs the process recorded, the warm-up's included.
    """
    if warm_up:
        run(WARM_UP_TASKS)
    cpu_began, began = time.process_time(), time.perf_counter()
    total = run(tasks)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    require(total is None or total == tasks * (tasks + 1) // 2, f"{tasks} tasks added up to {total}")
    recorded = tasks + (WARM_UP_TASKS if warm_up else 0)
    return {"wall_us": wall / tasks * 1e6, "cpu_us": cpu / tasks * 1e6, "tasks": recorded}


def memory_bytes() -> int:
    """Resident memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def require(condition: bool, what: str) -> None:
    """Fail the process if its work was not done right: a fast wrong answer is no figure."""
    if not condition:
        sys.exit(f"wrong outcome: {what}")
