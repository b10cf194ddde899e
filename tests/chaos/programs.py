"""A flow that writes into a file of its own, line by line, what it does: what must be recorded, exactly once.

Its blocks have mapped and direct tasks, tasks that fail once and are tried again, and log lines. It says on standard
output when a block begins and, with a pipe, waits at the end of each for leave to go on; the seconds that it waited
do not count as its own time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.guarantees.processes import Ended, Program, Started

TEXT = """
import json
import os
import sys
import time

from dalsegno import flow, get_run_logger, task

ledger = open(sys.argv[1], "a", buffering=1)
settings = json.loads(sys.argv[2])
leave = open(settings["leave"]) if settings.get("leave") else None
failed_before = set()


def note(**what):
    ledger.write(json.dumps(what) + "\\n")


def body(name, number, pause):
    time.sleep(pause)
    if number % 3 == 0:
        get_run_logger().info("%s was here", name)
        note(log=f"{name} was here")
    if number % 61 == 0 and name not in failed_before:
        failed_before.add(name)
        raise ValueError(f"not yet: {name}")
    return number


@task(task_run_name="mapped-{number}", retries=1, retry_delay_seconds=0.05)
def mapped(number, pause):
    return body(f"mapped-{number}", number, pause)


@task(task_run_name="direct-{number}", retries=1)
def direct(number, pause):
    return body(f"direct-{number}", number, pause)


@task(task_run_name="sure-{number}", durable=True)
def sure(number):
    return number


@flow(name="steady")
def steady(sizes, seconds):
    began, waited, number = time.monotonic(), 0.0, 0
    for block, size in enumerate(sizes):
        half = size // 2
        pause = seconds[block] / half
        print("block", block, flush=True)
        futures = mapped.map(range(number, number + half), pause)
        for each in range(number + half, number + size):
            direct(each, pause)
        note(done=[f"mapped-{future.result()}" for future in futures])
        note(done=[f"direct-{each}" for each in range(number + half, number + size)])
        sure(block)
        note(done=[f"sure-{block}"], durable=True)
        number += size
        if leave is not None:
            before = time.monotonic()
            leave.readline()
            waited += time.monotonic() - before
    print("all done", flush=True)
    note(seconds=time.monotonic() - began - waited, waited=waited)
    if settings.get("fails"):
        raise RuntimeError("this flow ends badly")
    return number


if __name__ == "__main__":
    print("result", steady(settings["sizes"], settings["seconds"]), flush=True)
"""


class Steady:
    """The flow, in a folder with a home of its own."""

    def __init__(self, folder: Path, sizes: list[int], seconds: list[float], *, fails: bool = False) -> None:
        self.program = Program(folder / "work", folder / "home", TEXT)
        self.sizes = sizes
        self.seconds = seconds
        self.fails = fails
        self.ledger = folder / "ledger.jsonl"
        self._pipe = folder / "leave"

    def start(self, variables: dict[str, str], *, gated: bool = False) -> Started:
        """Start it; if `gated`, each block ends only with leave (`gate`)."""
        settings: dict[str, Any] = {"sizes": self.sizes, "seconds": self.seconds, "fails": self.fails}
        if gated:
            os.mkfifo(self._pipe)
            settings["leave"] = str(self._pipe)
        return self.program.start(str(self.ledger), json.dumps(settings), settings=variables)

    def run(self, variables: dict[str, str], timeout: float) -> Ended:
        """Run it to its end."""
        with self.start(variables) as started:
            return started.end(timeout)

    def gate(self) -> Any:
        """Return what gives leave, once for each line that is written to it."""
        return self._pipe.open("w", buffering=1)
