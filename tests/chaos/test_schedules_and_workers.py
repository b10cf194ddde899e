"""Servers and workers on one PostgreSQL that are killed at random while schedules tick: one run for each tick, each
ends Completed, what two attempts wrote never mixes, and nothing holds a slot in the end.

`CHAOS_SECONDS` and `CHAOS_SCHEDULES` make it longer and wider.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.chaos.proxy import RoundRobin
from tests.chaos.recorded import opened
from tests.chaos.servers import ServerProcess, settings_for

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.deployments import CodeSource, DeploymentChange, DeploymentFilter, DeploymentSpec
from dalsegno.model.pools import NewPool
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView, Page, RunFilter

SECONDS = float(os.environ.get("CHAOS_SECONDS", "40"))
SCHEDULES = int(os.environ.get("CHAOS_SCHEDULES", "50"))
LEASE = 5.0
EVERY = 5
STEPS = ["first", "second", "third"]
_PATIENCE = 240.0
"""Seconds that a machine under load may need for what is left when the killing has stopped."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(round(SECONDS + _PATIENCE + 120))]

PIPELINE = '''
"""Three steps, each of which writes down when it began and ended, and in which attempt."""

import os
import time

from dalsegno import flow, task
from dalsegno.concurrency.sync import concurrency
from dalsegno.runtime import flow_run

bodies = os.open("bodies", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(what: str, name: str) -> None:
    os.write(bodies, f"{flow_run.id} {os.getpid()} {what} {name} {time.time()}\\n".encode())


@task
def step(name: str, before: int) -> int:
    note("begin", name)
    time.sleep(0.02)
    note("end", name)
    return before + 1


@flow
def pipeline() -> int:
    first = step("first", 0)
    with concurrency("database", limit=8):
        second = step("second", first)
    return step("third", second)
'''


class WorkerProcess:
    """`dalsegno worker start` by way of the proxy."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "worker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dalsegno", "worker", "start", "--pool", "chaos", "--limit", "3"],
                env={**os.environ, "DALSEGNO_HOME": str(self._folder), **settings_for(self._url)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class Body(NamedTuple):
    """A line that a body wrote."""

    run: str
    pid: str
    what: str
    name: str
    moment: float


@pytest.fixture
def house(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ServerProcess]]:
    """Give three servers with short leases, of one database."""
    monkeypatch.setenv("DALSEGNO_LEASES_LENGTH", str(LEASE))
    servers = [ServerProcess(tmp_path / f"server-{number}", postgres_url) for number in range(3)]
    yield servers
    for server in servers:
        server.kill()


def deploy(backend: StoreBackend, folder: Path) -> None:
    (folder / "pipeline.py").write_text(PIPELINE)
    backend.create_pool(NewPool(name="chaos"))
    for number in range(SCHEDULES):
        backend.apply_deployment(
            DeploymentSpec(
                flow_name="pipeline",
                name=f"every-{number}",
                source=CodeSource(entrypoint="pipeline.py:pipeline", path=str(folder)),
                tags=[f"every-{number}"],
                work_pool_name="chaos",
                max_recoveries=20,
                recovery_delay=0.1,
                schedules=[ScheduleSpec(interval=EVERY, catchup="all")],
            )
        )


def kill_at_random(victims: list[ServerProcess | WorkerProcess], dice: random.Random) -> int:
    """Kill one after the other for some time, each at once started again; return how many that were."""
    waiting, give_up, kills = threading.Event(), time.monotonic() + SECONDS, 0
    while time.monotonic() < give_up:
        waiting.wait(dice.uniform(1.0, 4.0))
        victim = dice.choice(victims)
        victim.kill()
        victim.start()
        kills += 1
    return kills


def all_runs(backend: StoreBackend) -> list[FlowRunView]:
    found: list[FlowRunView] = []
    after: bytes | None = None
    while page := backend.list_flow_runs(RunFilter(), Page(limit=200, after=after, oldest_first=True)):
        after = page[-1].id
        found += page
    return found


def settle(backend: StoreBackend) -> list[FlowRunView]:
    """Have the schedules pause, and wait until all has ended."""
    for deployment in backend.list_deployments(DeploymentFilter(), Page(limit=200)):
        backend.update_deployment(deployment.id, DeploymentChange(paused=True))
    give_up, token = time.monotonic() + _PATIENCE, backend.change_token()
    while time.monotonic() < give_up:
        found = all_runs(backend)
        if all(run.state.type in TERMINAL_TYPES for run in found):
            return found
        token = backend.wait_for_change(token, 2.0)
    left = [
        (run.name, run.state.name, run.attempt) for run in all_runs(backend) if run.state.type not in TERMINAL_TYPES
    ]
    raise AssertionError(f"after {_PATIENCE:g} s these have not ended: {left[:20]}")


def ticks_of(backend: StoreBackend, runs: list[FlowRunView]) -> dict[str, list[int]]:
    """Return the ticks of each deployment that there is a run of, in seconds."""
    found: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        whole = backend.read_flow_run(run.id)
        assert whole is not None
        assert whole.states is not None
        details = whole.states[0].details
        assert details is not None
        (of_one,) = set(whole.tags) - {"auto-scheduled"}
        found[of_one].append(details["scheduled_time"] // 1_000_000)
    return found


def longest_overlap(bodies: list[Body]) -> float:
    """Return for how long two processes executed one run at the same time, at most."""
    spans: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for body in bodies:
        spans[body.run].setdefault(body.pid, []).append(body.moment)
    longest = 0.0
    for processes in spans.values():
        in_order = sorted(processes.values(), key=min)
        for earlier, later in pairwise(in_order):
            longest = max(longest, max(earlier) - min(later))
    return longest


def test_each_tick_has_one_run_that_completes_whoever_is_killed(
    house: list[ServerProcess], postgres_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    with ExitStack() as stack:
        for server in house:
            server.start()
        proxy = stack.enter_context(RoundRobin([server.port for server in house]))
        backend = stack.enter_context(opened(postgres_url))
        deploy(backend, folder)
        workers = [WorkerProcess(tmp_path / f"worker-{number}", proxy.url) for number in range(3)]
        for worker in workers:
            worker.start()
            stack.callback(worker.kill)
        kills = kill_at_random([*house, *workers], random.Random(7))
        runs = settle(backend)
        assert {run.state.name for run in runs} == {"Completed"}
        ticks = ticks_of(backend, runs)
        assert len(ticks) == SCHEDULES
        for of_one in ticks.values():
            assert sorted(of_one) == list(range(min(of_one), max(of_one) + 1, EVERY))
        counts = backend.count_task_runs(RunFilter())
        assert counts == {"Completed": len(runs) * len(STEPS)}
        limit = backend.find_limit("global", "database")
        assert limit is not None
        assert limit.active_slots == 0
        lines = (folder / "bodies").read_text().splitlines()
        bodies = [Body(*line.split()[:4], float(line.split()[4])) for line in lines]
        overlap = longest_overlap(bodies)
        recovered = sum(run.attempt > 1 for run in runs)
        print(f"{len(runs)} runs, {kills} kills, {recovered} recovered; longest overlap {overlap:.3f} s")
        # Only a process that was cut off goes on beside the next one, and no longer than its lease.
        assert overlap <= LEASE
