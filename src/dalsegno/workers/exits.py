"""Says how the process of a run ended, from what the system tells of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_LAST_LINES = 20


def out_of_memory_kills() -> int | None:
    """Return how many processes of this one's control group were killed for want of memory; None: nobody tells."""
    try:
        line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        events = Path("/sys/fs/cgroup", line[3:].strip("/"), "memory.events").read_text()
    except (OSError, StopIteration):
        return None
    counts = [int(event.split()[1]) for event in events.splitlines() if event.startswith("oom_kill ")]
    return counts[0] if counts else None


def describe(pid: int, status: int, kills: int | None, report: str, errors: str) -> str:
    """Return the message of a run whose process ended without bringing it to an end.

    Args:
        status: Negative: the signal that ended it.
        kills: Of how many processes of its control group memory was the end meanwhile; None: unknown.
        report: What it still said itself.
        errors: The last of its standard error.
    """
    who = f"Process {pid} on {os.uname().nodename}" if pid else f"Its process on {os.uname().nodename}"
    parts = [f"{who} {_ending(status, kills)}."]
    if report:
        parts = [report if status >= 0 else f"{parts[0]} {report}"]
    last = "\n".join(errors.splitlines()[-_LAST_LINES:])
    return "\n".join([*parts, *(["The last lines of its standard error:", last] if last else [])])


def _ending(status: int, kills: int | None) -> str:
    if status >= 0:
        return f"ended with exit code {status} before its run had ended"
    name = _signal_name(-status)
    if -status != signal.SIGKILL or kills == 0:
        return f"was ended by {name}"
    if kills:
        return f"was ended by {name}: it, or its control group, was out of memory"
    return f"was ended by {name}, perhaps out of memory"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
