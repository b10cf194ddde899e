"""A worker that is killed: nothing that it started is left, whatever that was doing."""

from __future__ import annotations

import os
import signal

import pytest
from tests.workers.workshop import Workshop, children_of, lives

pytestmark = pytest.mark.embedded

CHILD = """
import subprocess


def start_child():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(f"{os.getpid()} {child.pid}")

"""
FLOW = """
@flow
def job():
    start_child()
    time.sleep(600)
"""


def noted_processes(workshop: Workshop) -> list[int]:
    """Return the processes that a line of `start_child` tells of."""
    found = [int(pid) for pid in workshop.when_noted()[0].split()]
    assert all(map(lives, found))
    return found


@pytest.mark.parametrize("stuck", ["while True: pass", "time.sleep(600)", "input_of_nobody = os.read(os.pipe()[0], 1)"])
def test_a_template_that_imports_for_ever_ends_with_its_worker(workshop: Workshop, stuck: str) -> None:
    workshop.write(f"{CHILD}\nstart_child()\n{stuck}\n{FLOW}")
    workshop.ask()
    with workshop.worker() as worker:
        processes = noted_processes(workshop)
        worker.send(signal.SIGKILL)
        workshop.when(lambda: not any(map(lives, processes)), lambda: processes)


@pytest.mark.parametrize("method", ["auto", "spawn"])
def test_runs_and_what_they_started_end_with_their_worker(workshop: Workshop, method: str) -> None:
    workshop.write(CHILD + FLOW)
    workshop.ask()
    with workshop.worker(settings={"DALSEGNO_WORKER_START_METHOD": method}) as worker:
        processes = noted_processes(workshop)
        templates = children_of(worker.process.pid)
        keepers = [pid for template in templates for pid in children_of(template)]
        worker.send(signal.SIGKILL)
        left = {*processes, *templates, *keepers}
        workshop.when(lambda: not any(map(lives, left)), lambda: left)


def test_what_runs_started_ends_although_worker_and_template_are_killed_at_once(workshop: Workshop) -> None:
    workshop.write(CHILD + FLOW)
    workshop.ask()
    with workshop.worker() as worker:
        processes = noted_processes(workshop)
        (template,) = children_of(worker.process.pid)
        for pid in (worker.process.pid, template):
            os.kill(pid, signal.SIGSTOP)  # Neither can do anything at the death of the other.
        for pid in (template, worker.process.pid):
            os.kill(pid, signal.SIGKILL)
        workshop.when(lambda: not any(map(lives, processes)), lambda: processes)
