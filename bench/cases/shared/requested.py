"""What the cases of requested runs share: who executes them in other processes, and the notes that runs leave of when
their code began. Standard library only, as all that the interpreters of peers import."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import probe
import serving

SHORT = (10, 40)
LONG = (33, 10)
"""Which number of Fibonacci's, and how many tasks compute it."""
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING")
NOTES = "began"
LIMIT_SECONDS = 1_000.0
"""Above the harness's own limit, which says in its words that something is too slow."""
_LOOK_EVERY = 0.005

Count = Callable[..., int]
"""How many flow runs the API shows in states of the types that are named."""


def note(home: str) -> None:
    """Leave word that a run's code has begun. A short line is appended whole, whoever else appends."""
    moment = time.time_ns()
    with (Path(home) / NOTES).open("a") as file:
        file.write(f"{moment}\n")


@contextmanager
def executing(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process that executes runs; it ends with the block."""
    with (probe.home() / "executing.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=probe.home(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=serving.die_with_parent,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(serving.STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def command(script: str, *arguments: str) -> list[str]:
    """What runs a file of flows, with this interpreter."""
    return [sys.executable, script, *arguments]


def executable(*command: str) -> list[str]:
    """What runs a program of this interpreter's environment."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def until(is_so: Callable[[], bool], what: str, look_every: float = _LOOK_EVERY) -> None:
    """Wait for something; the process fails where it does not come."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        probe.require(time.monotonic() < deadline, f"{what} did not come to be in {LIMIT_SECONDS:g} s: {_log()}")
        time.sleep(look_every)


def report_first_lines(request: Callable[[], object], is_there: Callable[[], bool]) -> None:
    """Ask for runs, one after the other's beginning, and report how long each took to begin; the first is not
    counted: what executes them may still be starting."""
    until(is_there, "the deployment", 0.25)
    request()
    until(lambda: len(_notes()) == 1, "the first run")
    waits: list[float] = []
    for number in range(probe.size()):
        asked = time.time_ns()
        request()
        until(lambda number=number: len(_notes()) == number + 2, "a run")
        waits.append((_notes()[-1] - asked) / 1e6)
    worst = sorted(waits)[math.ceil(0.95 * len(waits)) - 1]
    probe.report(first_line_median_ms=statistics.median(waits), first_line_p95_ms=worst)


def report_drain(
    request: Callable[[], object],
    executed: Callable[[], AbstractContextManager[object]],
    count: Count,
) -> None:
    """Ask for many runs that nobody executes yet, and report how fast they are then worked off, the start of what
    executes them included."""
    # The server may remember runs of other cases whose end nobody told it of.
    left, failed = count(*UNFINISHED), count("FAILED", "CRASHED")
    for _ in range(probe.size()):
        request()
    probe.require(count(*UNFINISHED) > left, "no run waits")
    began = time.perf_counter()
    with executed():
        until(lambda: count(*UNFINISHED) <= left, "the last run's end", 0.25)
        took = time.perf_counter() - began
    probe.require(count("FAILED", "CRASHED") == failed, "some runs failed")
    probe.report(flow_runs_per_minute=probe.size() / took * 60)


def report_fibonacci(request: Callable[[int, int], object], count: Count) -> None:
    """Ask for one flow run of many short tasks and for one of few long ones, each a few times, and report how long
    they take from the request until the API shows them Completed."""

    def milliseconds(number: int, times: int) -> float:
        before = count("COMPLETED")
        began = time.perf_counter()
        request(number, times)
        until(lambda: count("COMPLETED") > before, "the end of a run", 0.003)
        return (time.perf_counter() - began) * 1e3

    milliseconds(*SHORT)
    short = statistics.median(milliseconds(*SHORT) for _ in range(probe.size()))
    began = time.perf_counter()
    for _ in range(LONG[1]):
        fibonacci(LONG[0])
    bare = (time.perf_counter() - began) * 1e3
    long = statistics.median(milliseconds(*LONG) for _ in range(probe.size()))
    probe.report(short_ms=short, long_ms=long, bare_ms=bare, over_bare=long / bare)


def fibonacci(number: int) -> int:
    """What keeps a processor busy: the longer, the larger the number."""
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


def _notes() -> list[int]:
    path = probe.home() / NOTES
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def _log() -> str:
    path = probe.home() / "executing.log"
    return path.read_text(errors="replace")[-1500:] if path.exists() else ""


def server_url(peer: str) -> str:
    """The API of the server that this process's peer speaks to."""
    return os.environ[f"{peer.upper()}_API_URL"]
