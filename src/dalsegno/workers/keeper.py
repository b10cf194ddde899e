"""The keeper of a template: a small process beside it that ends what it and its worker would leave behind.

A template may be stuck in the code that it imports, and template and worker may be killed at the same moment: then
neither could end what they started. The keeper does nothing until the worker or the template is gone.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket

_MOST_GROUPS = 32_768
"""More than any machine runs at a time. The memory is taken as it is used."""
_LAST_MOMENT = 1.0
"""Seconds that a killed template is given to be gone."""


class Roll:
    """The process groups of runs, in memory that a template, its runs and its keeper share."""

    def __init__(self) -> None:
        self._groups = memoryview(mmap.mmap(-1, 4 * _MOST_GROUPS)).cast("i")
        self._free: list[int] = []
        self._used = 0

    def reserve(self) -> int:
        """Return a place for a group."""
        if self._free:
            return self._free.pop()
        self._used += 1
        return self._used - 1

    def enter(self, place: int, group: int) -> None:
        """Note a group. By its own process, so that it is noted before anything else can be started there."""
        self._groups[place] = group

    def strike(self, place: int) -> None:
        """Note that a group is no more; its place is free."""
        self._groups[place] = 0
        self._free.append(place)

    def kill_all(self) -> None:
        """Kill all groups that are noted."""
        for place, group in enumerate(self._groups):
            if group:
                self._groups[place] = 0
                kill_group(group)


def kill_group(group: int) -> None:
    """Kill a process group, if it is there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def start_keeper(worker: socket.socket, roll: Roll) -> int:
    """Fork the keeper of this process; return the handle that tells it of this one's end, for children to close."""
    template = os.getpid()
    watched, held = os.pipe()
    if os.fork() == 0:
        try:
            _keep(template, worker.fileno(), watched, roll)
        finally:
            os._exit(1)
    os.close(watched)
    return held


def _keep(template: int, worker: int, watched: int, roll: Roll) -> None:
    signal.set_wakeup_fd(-1)
    _close_all_but(worker, watched)
    poll = select.poll()
    poll.register(worker, 0)  # It is told of the end alone; what arrives there is for the template.
    poll.register(watched, 0)
    gone = {handle for handle, _ in poll.poll()}
    if watched not in gone and os.getppid() == template:
        os.kill(template, signal.SIGKILL)
        poll.unregister(worker)
        poll.poll(1000 * _LAST_MOMENT)
    roll.kill_all()
    if os.getpgrp() == template:
        os.killpg(template, signal.SIGKILL)  # What the imported code started, and this process.


def _close_all_but(*handles: int) -> None:
    """Hold nothing open that somebody waits to see closed."""
    start = 0
    for handle in sorted(handles):
        os.closerange(start, handle)
        start = handle + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
