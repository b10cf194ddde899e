"""Slots with real processes: many over a few are never more, and what the dead held comes back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.guarantees.processes import Program
from tests.guarantees.servers import Server

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.limits import LimitChange, NewLimit

LIMIT = 3
MANY = 50

# Whoever is inside holds a lock on one of so many files as there are slots: it would find none free if it were one
# too many.
VISITOR = f"""
import fcntl
import os
import sys
from dalsegno.concurrency import concurrency


def take_place():
    for number in range({LIMIT}):
        place = os.open(f"place-{{number}}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return place
        except BlockingIOError:
            os.close(place)
    sys.exit("too many are inside")


with concurrency("database", strict=True):
    place = take_place()
    os.close(place)
print("was inside", flush=True)
"""

HOLDER = """
import signal
from dalsegno.concurrency import concurrency
with concurrency("database", strict=True):
    print("inside", flush=True)
    signal.pause()
"""


@pytest.mark.slow
@pytest.mark.embedded
def test_fifty_processes_over_three_slots(tmp_path: Path) -> None:
    visitor = Program(tmp_path / "work", tmp_path / "home", VISITOR)
    store = StoreBackend.in_file(str(tmp_path / "home" / "dalsegno.db"))
    limit = store.create_limit(NewLimit(name="database", limit=LIMIT))
    # Those that come early wait, so that there is a crowd when it is opened.
    store.update_limit(limit.id, LimitChange(limit=0))
    started = [visitor.start() for _ in range(MANY)]
    try:
        store.update_limit(limit.id, LimitChange(limit=LIMIT))
        ended = [each.end(timeout=110) for each in started]
    finally:
        for each in started:
            each.__exit__()
    assert [each.errors for each in ended if each.status != 0] == []
    assert store.read_limit(limit.id).active_slots == 0
    store.close()


@pytest.mark.parametrize("through_server", [pytest.param(False, marks=pytest.mark.embedded), True])
def test_what_killed_processes_held_is_free_for_others(
    tmp_path: Path,
    server: Server,
    through_server: bool,
) -> None:
    settings = {"DALSEGNO_API_URL": server.url} if through_server else {}
    home = tmp_path / "client-home" if through_server else server.home
    store = StoreBackend.in_file(str(server.home / "dalsegno.db"))
    limit = store.create_limit(NewLimit(name="database", limit=LIMIT))
    holders = [Program(tmp_path / "work", home, HOLDER)] * LIMIT
    started = [holder.start(settings=settings) for holder in holders]
    try:
        for each in started:
            each.until("inside")
        assert store.read_limit(limit.id).active_slots == LIMIT
        with Program(tmp_path / "work", home, VISITOR, "visitor.py").start(settings=settings) as waits:
            for each in started:
                each.send(signal.SIGKILL)
                each.process.wait()
            assert waits.end().last == "was inside"
    finally:
        for each in started:
            each.__exit__()
        store.close()
