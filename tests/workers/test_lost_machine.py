"""A worker whose machine seems to be lost: its run is recovered elsewhere, and what it still does changes nothing."""

from __future__ import annotations

import os
import signal

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import ELSEWHERE, Workshop, children_of, lives

pytestmark = pytest.mark.embedded


def test_a_worker_that_was_stopped_past_its_lease_is_fenced_and_writes_nothing(served: Workshop) -> None:
    served.write(f"""
{ELSEWHERE}

@task(durable=True)
def step(number):
    note(f"{{number}} {{os.getpid()}}")
    return number

@flow
def job():
    total = step(0)
    while not os.path.exists("go-on"):
        time.sleep(0.02)
    for number in range(1, 4):
        total += step(number)
    return total
""")
    with served.worker("--name", "lost") as lost:
        id = served.ask()
        process = int(served.when_noted()[0].split()[1])
        family = [lost.process.pid, *children_of(lost.process.pid), process]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        served.until(id, "AwaitingRetry")
        with served.worker("--name", "second") as second:
            served.when(lambda: served.run(id).attempt > 1 and served.run(id).state.name == "Running")
            recovered = served.run(id)
            for pid in family:
                os.kill(pid, signal.SIGCONT)
            served.when(lambda: not lives(process))
            assert served.run(id).process == recovered.process
            assert served.run(id).state.name == "Running"
            (served.folder / "go-on").touch()
            seen = served.until(id, "Completed", "Failed", "Crashed")
            stop(second)
        stop(lost)
    assert (seen.state.name, seen.attempt) == ("Completed", recovered.attempt)
    lines = [line.split() for line in served.noted()]
    assert [line[0] for line in lines] == ["0", "1", "2", "3"], "what had completed did not run again"
    assert {line[1] for line in lines[1:]}.isdisjoint({str(process)})
    assert seen.task_run_counts == {"Completed": 4}
