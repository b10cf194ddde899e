"""Decides whether a test run was complete: every test of the repository ran and passed.

As a pytest plugin (`-p gate --gate-record=FILE`) it writes what was collected and what became of it, one
JSON object a line. As a script (`gate.py --minimum N --allow FILE COLLECTED RAN...`) it compares them.
It does not run tests and knows nothing of what they test.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What became of a test, the worst last: a test counts as the worst of its phases and subtests.
OUTCOMES = ("passed", "skipped", "xfailed", "failed")


@dataclass(frozen=True)
class Entry:
    """One line of a record: what happened to one test or, while collecting, to one file."""

    nodeid: str
    what: str  # "collected", "deselected" or one of OUTCOMES
    reason: str = ""


# The verdict: pure functions of the entries.


def worst_outcomes(ran: Iterable[Entry]) -> dict[str, Entry]:
    """Keep for each test the entry with its worst outcome."""
    worst: dict[str, Entry] = {}
    for entry in ran:
        known = worst.get(entry.nodeid)
        if known is None or OUTCOMES.index(entry.what) > OUTCOMES.index(known.what):
            worst[entry.nodeid] = entry
    return worst


def find_faults(collected: list[Entry], ran: list[Entry], minimum: int, allowed: dict[str, str]) -> list[str]:
    """List the reasons, one line each, why the run does not count; an empty list is a pass.

    `collected` is the record of a collection without any selection, `ran` those of all runs together,
    `minimum` the number of tests that there must be, `allowed` the skips that are accepted, by node id.
    """
    faults = [
        f"{entry.what} while collecting: {entry.nodeid} {entry.reason}".rstrip()
        for entry in collected
        if entry.what != "collected"
    ]
    wanted = [entry.nodeid for entry in collected if entry.what == "collected"]
    if len(wanted) < minimum:
        faults.append(f"{len(wanted)} tests were collected; .ci/minimum-tests asks for {minimum}")
    outcomes = worst_outcomes(ran)
    for nodeid in wanted:
        entry = outcomes.get(nodeid)
        if entry is None:
            faults.append(f"never ran: {nodeid}")
        elif entry.what == "skipped" and nodeid in allowed:
            continue
        elif entry.what != "passed":
            faults.append(f"{entry.what}: {nodeid} {entry.reason}".rstrip())
    faults += [f"ran but was not collected: {nodeid}" for nodeid in outcomes if nodeid not in set(wanted)]
    return faults


def read_record(path: Path) -> list[Entry]:
    """Read a record that the plugin wrote."""
    return [Entry(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def read_allowed(path: Path) -> dict[str, str]:
    """Read the accepted skips: `node id | reason` a line, `#` for comments; a reason is required."""
    allowed: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        nodeid, _, reason = (part.strip() for part in line.partition("|"))
        if not reason:
            raise SystemExit(f"{path}: {nodeid!r} has no reason; write `node id | reason`")
        allowed[nodeid] = reason
    return allowed


def main(arguments: list[str]) -> int:
    """Print the verdict on some records; give 0 if the run counts, else 1."""
    parser = argparse.ArgumentParser(prog="gate.py", description=__doc__)
    parser.add_argument("--minimum", type=Path, required=True, help="file that holds one integer")
    parser.add_argument("--allow", type=Path, required=True, help="file of accepted skips")
    parser.add_argument("collected", type=Path, help="record of a collection without selection")
    parser.add_argument("ran", type=Path, nargs="+", help="records of the runs")
    options = parser.parse_args(arguments)
    collected = read_record(options.collected)
    ran = [entry for path in options.ran for entry in read_record(path)]
    minimum = int(options.minimum.read_text(encoding="utf-8"))
    faults = find_faults(collected, ran, minimum, read_allowed(options.allow))
    for fault in faults:
        print(f"gate: {fault}")
    count = sum(entry.what == "collected" for entry in collected)
    verdict = f"{len(faults)} faults" if faults else "every one ran and passed"
    print(f"gate: {count} tests collected (at least {minimum} wanted): {verdict}")
    return 1 if faults else 0


# The plugin: appends entries as pytest reports them.


class Recorder:
    """Writes entries to a file as they come, so that a run that is cut off leaves what it did."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def write(self, nodeid: str, what: str, reason: str = "") -> None:
        self._file.write(json.dumps({"nodeid": nodeid, "what": what, "reason": reason}) + "\n")

    def pytest_unconfigure(self) -> None:
        self._file.close()


class CollectionRecorder(Recorder):
    """Writes what was collected and what was not; for a run with `--collect-only`, without any selection."""

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome != "passed":
            self.write(report.nodeid, report.outcome, skip_reason(report))

    def pytest_deselected(self, items: Iterable[Any]) -> None:
        for item in items:
            self.write(item.nodeid, "deselected")

    def pytest_collection_finish(self, session: Any) -> None:
        for item in session.items:
            self.write(item.nodeid, "collected")


class RunRecorder(Recorder):
    """Writes what became of each test; what a run leaves out is seen by comparing with the collection."""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(report, "wasxfail"):
            self.write(report.nodeid, "xfailed", str(report.wasxfail))
        elif report.when == "call" or report.outcome != "passed":
            self.write(report.nodeid, report.outcome, skip_reason(report))


def skip_reason(report: Any) -> str:
    """Give the reason of a skip, else an empty string; pytest itself prints why a test failed."""
    if report.outcome != "skipped" or not isinstance(report.longrepr, tuple):
        return ""
    return f"({report.longrepr[2]})"


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--gate-record", type=Path, default=None, help="write a record for .ci/gate.py here")


def pytest_configure(config: Any) -> None:
    path = config.getoption("--gate-record")
    if path is None or hasattr(config, "workerinput"):  # the workers of xdist report to the process here
        return
    recorder = CollectionRecorder if config.option.collectonly else RunRecorder
    config.pluginmanager.register(recorder(path), "gate-recorder")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
