"""How retention brings a database of half a year down to its policy, by default ninety days of runs and thirty of
logs, while a flow runs: how long that takes, what it gives back to the disk, and how long others wait for it.

Others are two that deliver a snapshot each few milliseconds, one straight to the database and one to the server that
runs retention. How long they wait on a server without retention is told beside it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import databases
import probe
import serving
from dalsegno import flow, task
from dalsegno._backend.connect import open_remote
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import upkeep
from dalsegno._store.connection import Connection
from dalsegno._store.postgresql.partitions import AHEAD, Week, make_ahead
from dalsegno.model.ids import new_id
from dalsegno.model.records import Batch, FlowRunSnapshot
from dalsegno.model.states import pack_states
from dalsegno.settings import get_current_settings, temporary_settings

DAY = 86_400
AGE_DAYS = 180
KEPT_DAYS = 90
LOGS_KEPT_DAYS = 30
TASKS_OF_A_RUN = 1_000
UNDISTURBED_SECONDS = 5.0
NAP_SECONDS = 0.005
LIMIT_SECONDS = 600.0
FEW_FREE_PAGES = 1_000


class Deliverer:
    """Delivers a snapshot of a flow run of its own again and again, and remembers how long each took."""

    def __init__(self, deliver: Callable[[Batch], object]) -> None:
        self._deliver = deliver
        self._run = new_id()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self.waits: list[float] = []

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def worst_ms(self) -> float:
        return max(self.waits) * 1e3

    def _go_on(self) -> None:
        version = 0
        while not self._ended.wait(NAP_SECONDS):
            version += 1
            began = time.perf_counter()
            self._deliver(_snapshot(self._run, version))
            self.waits.append(time.perf_counter() - began)


def _snapshot(id: bytes, version: int) -> Batch:
    now = time.time_ns() // 1000
    run = FlowRunSnapshot(
        id=id,
        root_run_id=id,
        flow_id=databases.NIGHTLY.id,
        name="waiting-wren",
        attempt=1,
        version=version,
        run_count=1,
        state_type=databases.RUNNING,
        state_name=None,
        states=pack_states(1, version - 1, now, [(databases.RUNNING, now)]),
        start_time=now,
    )
    return Batch(attempts={id: 1}, flows=[databases.NIGHTLY], flow_runs=[run])


@task
def tick(number: int) -> int:
    time.sleep(0.01)
    return number


@flow
def busy(is_over: Callable[[], bool]) -> int:
    """Run small tasks until something is over; return how many."""
    count = 0
    while not is_over():
        tick(count)
        count += 1
    return count


def fill(url: str) -> StoreBackend:
    """Make the database as half a year would have left it."""
    backend = StoreBackend.open(url, upgrade=True, runs_age=None, logs_age=None)
    if backend.database.dialect == "postgresql":
        now = backend.database.now()
        for week in range(AGE_DAYS // 7 + 1, 0, -AHEAD):
            # As the server did, in those weeks.
            make_ahead(backend.database, now - week * 7 * DAY * 1_000_000)
    flow_runs = max(AGE_DAYS, probe.size() // TASKS_OF_A_RUN)
    databases.fill(backend, probe.size(), flow_runs, AGE_DAYS * DAY / flow_runs)
    return backend


def bytes_on_disk(backend: StoreBackend, url: str) -> int:
    if backend.database.dialect == "postgresql":
        return backend.database.read(
            lambda connection: connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]
        )
    path = url.removeprefix("sqlite:///")
    return sum(os.path.getsize(name) for name in (path, f"{path}-wal") if os.path.exists(name))


def is_down(connection: Connection) -> bool:
    """Whether nothing is left that is past its age, and the file has given back what it held."""
    if has_older(connection, "id FROM flow_run", KEPT_DAYS) or has_older(
        connection, "root_run_id FROM log", LOGS_KEPT_DAYS
    ):
        return False
    return connection.dialect == "postgresql" or free_pages(connection) < FEW_FREE_PAGES


def has_older(connection: Connection, what: str, days: int) -> bool:
    """Whether there is something older than that; on PostgreSQL whole weeks go, once they are past."""
    cutoff = time.time_ns() // 1000 - days * DAY * 1_000_000
    bound = Week.of(cutoff).start if connection.dialect == "postgresql" else new_id(cutoff * 1000)
    return connection.execute(f"SELECT {what} ORDER BY 1 LIMIT 1").fetchone()[0] < bound


def free_pages(connection: Connection) -> int:
    return connection.execute("PRAGMA freelist_count").fetchone()[0]


@contextmanager
def delivering(backend: StoreBackend, api_url: str) -> Iterator[tuple[Deliverer, Deliverer]]:
    """Deliver to the database and to the server, meanwhile."""
    with temporary_settings({"DALSEGNO_API_URL": api_url}):
        remote = open_remote(get_current_settings())
    both = Deliverer(backend.deliver), Deliverer(remote.deliver)
    for each in both:
        each.start()
    try:
        yield both
    finally:
        for each in both:
            each.end()
        remote.close()


if __name__ == "__main__":
    url = os.environ["BENCH_DATABASE_URL"]
    binaries = Path(sys.executable).parent
    backend = fill(url)
    before = bytes_on_disk(backend, url)
    idle = os.environ | {"DALSEGNO_SERVER_SERVICES": "false"}
    with (
        serving.serving("dalsegno", binaries, url, idle, probe.home()) as server,
        delivering(backend, server.api_url) as undisturbed,
    ):
        time.sleep(UNDISTURBED_SECONDS)
    with serving.serving("dalsegno", binaries, url, os.environ, probe.home()) as server:
        began = time.perf_counter()

        def is_over() -> bool:
            probe.require(time.perf_counter() - began < LIMIT_SECONDS, "the database did not come down to its policy")
            return backend.database.read(is_down)

        with delivering(backend, server.api_url) as disturbed, temporary_settings({"DALSEGNO_API_URL": server.api_url}):
            tasks = busy(is_over)
        seconds = time.perf_counter() - began
    left = backend.database.read(lambda connection: upkeep.oldest_and_newest_run(connection))
    after = bytes_on_disk(backend, url)
    backend.close()
    print(f"{tasks} tasks meanwhile; runs from {left[0]} on are left")
    probe.report(
        seconds=seconds,
        before_mb=before / 1e6,
        after_mb=after / 1e6,
        database_wait_ms=disturbed[0].worst_ms(),
        server_wait_ms=disturbed[1].worst_ms(),
        undisturbed_database_wait_ms=undisturbed[0].worst_ms(),
        undisturbed_server_wait_ms=undisturbed[1].worst_ms(),
    )
