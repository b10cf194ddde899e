"""Fifty processes run flows on one database at the same time: no error, nothing lost, nobody waits for long."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from tests.guarantees.processes import Program

from dalsegno._backend.connect import connect
from dalsegno.model.views import FlowRunView, Page, RunFilter

pytestmark = pytest.mark.embedded

PROCESSES = 50
RUNS = 2
TASKS = 21

CROWD = '''
"""Fifty processes that begin at the same moment, on a database that is not there yet."""

import json
import os
import sys
import time
import traceback

from dalsegno import flow, get_run_logger, retry_flow_run, task
from dalsegno._backend.connect import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno._processes import current_process
from dalsegno.model.views import Page, RunFilter

waits = {"open_run": [], "heartbeat": [], "deliver": []}


def starved():
    """How long this thread could have run but had no processor, in seconds: that is not a wait for the store."""
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


def timed(name):
    inner = getattr(StoreBackend, name)

    def call(self, *args):
        start, before = time.monotonic(), starved()
        try:
            return inner(self, *args)
        finally:
            waits[name].append((time.monotonic() - start, starved() - before))

    setattr(StoreBackend, name, call)


broken = True


@task
def step(number: int) -> int:
    get_run_logger().info("step %d", number)
    time.sleep(0.005)
    return number


@task
def flaky(number: int) -> int:
    if broken:
        raise ValueError("broken")
    return number


@flow
def busy(number: int) -> int:
    total = sum(step(index) for index in range(number, number + 10))
    sides = [step.submit(index) for index in range(10)]
    return flaky(total) + sum(side.result() for side in sides)


def one(number: int) -> None:
    global broken
    for name in waits:
        timed(name)
    for run in range(2):
        broken = True
        state = busy(number, return_state=True)
        assert state.is_failed(), state
        connect().heartbeat(current_process().id, {})
        broken = False
        assert retry_flow_run(str(state.state_details.flow_run_id)) == 10 * number + 45 + 45
        connect().heartbeat(current_process().id, {})


go_read, go_write = os.pipe()
children = []
for number in range(50):
    child = os.fork()
    if child == 0:
        try:
            os.close(go_write)
            os.read(go_read, 1)
            one(number)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        with open(f"waits-{number}.json", "w") as file:
            json.dump(waits, file)
        sys.exit(0)
    children.append(child)
os.close(go_read)
os.close(go_write)
statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(json.dumps(statuses))
'''


Wait = tuple[float, float]
"""How long a call took, and how much of that its thread waited for a processor, in seconds."""


def percentiles(waits: list[float]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the most."""
    ordered = sorted(waits)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]


def for_the_store(waits: list[Wait]) -> list[float]:
    """Return how long the calls waited for others in the store.

    Fifty programs on the few processors of a test machine wait for these whatever the store does, so what a call's own
    thread waited for one is left out. What the holder of the lock waited for one is in: a renewal waits for that.
    """
    return [wall - starved for wall, starved in waits]


def all_runs() -> list[FlowRunView]:
    backend = connect()
    found = [backend.read_flow_run(run.id) for run in backend.list_flow_runs(RunFilter(), Page(limit=1000))]
    return [run for run in found if run is not None]


def test_fifty_processes_run_flows_on_one_database(tmp_path: Path, dalsegno_home: Path) -> None:
    ended = Program(tmp_path, dalsegno_home, CROWD).run(settings={"DALSEGNO_LOGGING_TO_CONSOLE": "false"})
    assert ended.errors[-5000:] == "", ended.errors[-5000:]
    assert json.loads(ended.last) == [0] * PROCESSES

    runs = all_runs()
    assert Counter(run.state.name for run in runs) == {"Completed": PROCESSES * RUNS}
    backend = connect()
    for run in runs:
        assert [state.name for state in run.states or ()] == [
            *("Pending", "Running", "Failed"),
            *("Pending", "Running", "Completed"),
        ]
        assert run.task_run_counts == {"Completed": TASKS}
        lines = backend.list_logs(flow_run_id=run.id, limit=1000)
        said = Counter(line.message for line in lines if line.message.startswith("step "))
        number = json.loads(run.parameters_text or "")["number"]
        assert said == Counter(f"step {index}" for index in [*range(number, number + 10), *range(10)])
    names: Counter[tuple[str, ...]] = Counter()
    for run in runs:
        for task_run in backend.list_task_runs(RunFilter(flow_run_ids=[run.id]), Page()):
            view = backend.read_task_run(task_run.id)
            assert view is not None
            names[tuple(state.name for state in view.states or ())] += 1
    print(names)
    assert sum(names.values()) == PROCESSES * RUNS * TASKS

    waits: dict[str, list[Wait]] = {"open_run": [], "heartbeat": [], "deliver": []}
    for number in range(PROCESSES):
        for name, some in json.loads((tmp_path / f"waits-{number}.json").read_text()).items():
            waits[name] += some
    for name, some in waits.items():
        for what, seconds in ("in all", [wall for wall, _ in some]), ("for the store", for_the_store(some)):
            median, most_wait, longest = percentiles(seconds)
            print(f"{name} {what}: {len(some)}, p50 {median:.3f} s, p99 {most_wait:.3f} s, longest {longest:.3f} s")
    assert percentiles(for_the_store(waits["open_run"] + waits["heartbeat"]))[1] <= 0.2
    connection = sqlite3.connect(dalsegno_home / "dalsegno.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
