"""Runs one process of a case and says what it cost: wall time, CPU, and the figures that its script wrote.
Nothing here knows what is compared, or with whom."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LOG_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process cost. `figures` are by name, in the unit that the name ends with."""

    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    failure: str | None = None
    log_tail: str = ""


def run_process(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, limit_seconds: float
) -> Sample:
    """Run `command` to its end, in a session of its own, which is killed whole after `limit_seconds`.

    The figures are `process_wall_ms`, `process_cpu_ms` (of it and the children that it waited for) and what
    the script wrote, as a JSON object of numbers, to the file that BENCH_RESULT names.
    """
    result_path = directory / "result.json"
    result_path.unlink(missing_ok=True)
    with tempfile.TemporaryFile() as log:
        cpu_before = _children_cpu_seconds()
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**environment, "BENCH_RESULT": str(result_path)},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        exit_code, timed_out = _wait(process, limit_seconds)
        wall_seconds = time.perf_counter() - began
        cpu_seconds = _children_cpu_seconds() - cpu_before
        tail = _tail(log)
    if timed_out:
        return Sample(failure=f"not run: too slow (over {limit_seconds:g} s)", log_tail=tail)
    if exit_code != 0:
        return Sample(failure=f"failed with exit code {exit_code}", log_tail=tail)
    figures = {"process_wall_ms": wall_seconds * 1e3, "process_cpu_ms": cpu_seconds * 1e3}
    return Sample(figures={**figures, **_read_figures(result_path)}, log_tail=tail)


def _wait(process: subprocess.Popen[bytes], limit_seconds: float) -> tuple[int, bool]:
    """Block until the process ends. (Popen.wait with a timeout polls, up to 50 ms apart: too coarse.)"""
    timed_out = threading.Event()

    def kill() -> None:
        timed_out.set()
        _kill_session(process.pid)

    timer = threading.Timer(limit_seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        exit_code = process.wait()
    except BaseException:
        _kill_session(process.pid)
        process.wait()
        raise
    finally:
        timer.cancel()
        # What it started and left behind would disturb whoever comes next.
        _kill_session(process.pid)
    return exit_code, timed_out.is_set()


def _kill_session(leader_pid: int) -> None:
    try:
        os.killpg(leader_pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tail(log: IO[bytes]) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - LOG_TAIL_CHARACTERS))
    return log.read().decode("utf-8", "replace")


def _read_figures(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    return {name: float(value) for name, value in json.loads(path.read_text()).items()}


def database_bytes(folder: Path) -> int:
    """The size of all SQLite databases below `folder`, write-ahead logs applied, free pages included."""
    return sum(_pages_bytes(path) for path in sorted(folder.rglob("*")) if _is_sqlite(path))


def _is_sqlite(path: Path) -> bool:
    if not path.is_file() or path.name.endswith(("-wal", "-shm", "-journal")):
        return False
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\x00"


def _pages_bytes(path: Path) -> int:
    connection = sqlite3.connect(path, timeout=30)
    try:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    finally:
        connection.close()
    return int(pages) * int(page_size)


def median(values: Sequence[float]) -> float:
    """The middle value; a benchmark's outliers are the machine's, not the program's."""
    return statistics.median(values)
