"""The process worker: each run in a process of its own, at once, and to its end."""

from __future__ import annotations

import statistics
import time

import pytest
from tests.guarantees.processes import Started
from tests.workers.workshop import Workshop, is_told, lives

from dalsegno.flow_runs import resume_flow_run
from dalsegno.model.ids import id_text

pytestmark = pytest.mark.embedded

JOB = """
@flow
def job(number=0):
    print("said by the flow", flush=True)
    note(f"{number} {os.getpid()} {os.getppid()} {os.getcwd()} {time.time()}")
    return number
"""


def test_a_waiting_worker_begins_a_run_at_once(workshop: Workshop) -> None:
    workshop.write(JOB)
    with workshop.worker() as worker:
        workshop.until(workshop.ask(), "Completed")
        took: list[float] = []
        for count in range(2, 12):
            asked = time.time()
            workshop.ask()
            took.append(float(workshop.when_noted(count)[-1].split()[-1]) - asked)
        print(f"request to first line of user code: median {statistics.median(took) * 1e3:.1f} ms, of {took}")
        stop(worker)


def test_a_run_that_is_due_later_begins_when_it_is_due(workshop: Workshop) -> None:
    from dalsegno.model.deployments import DeploymentRun

    workshop.write(JOB)
    with workshop.worker() as worker:
        first = workshop.until(workshop.ask(), "Completed")
        deployment = workshop.backend.find_deployment("job", "flows.py")
        assert deployment is not None
        due = time.time() + 1.5
        request = DeploymentRun(deployment_id=deployment.id, due=round(due * 1e6))
        id = workshop.backend.request_deployment_run(request).flow_run_id
        workshop.until(id, "Completed")
        assert float(workshop.noted()[-1].split()[-1]) >= due
        assert first.id != id
        stop(worker)


def test_through_a_server_that_goes_away_and_comes_back(served: Workshop, server: object) -> None:
    from tests.guarantees.servers import Server

    assert isinstance(server, Server)
    served.write("""
@flow
def job():
    note("begun")
    while not os.path.exists("go-on"):
        time.sleep(0.02)
""")
    with served.worker() as worker:
        running = served.ask()
        served.when_noted()
        server.stop()
        (served.folder / "go-on").touch()
        served.when(lambda: is_told(worker, "it is tried again"))
        server.start()
        assert served.until(running, "Completed", "Crashed").state.name == "Completed"
        assert served.run(running).attempt == 1
        assert served.until(served.ask(), "Completed", "Crashed").state.name == "Completed"
        stop(worker)


def test_told_twice_it_ends_at_once_and_what_it_broke_off_is_recovered(workshop: Workshop) -> None:
    workshop.write("""
@flow
def job():
    note("begun")
    while not os.path.exists("go-on"):
        time.sleep(0.02)
""")
    with workshop.worker() as worker:
        id = workshop.ask()
        workshop.when_noted()
        worker.process.terminate()
        workshop.when(lambda: is_told(worker, "claims nothing any more"))
        worker.process.terminate()
        assert worker.end(60).status == 0
    states = workshop.run(id).states or []
    assert workshop.run(id).state.name == "AwaitingRetry"
    assert "told to end at once" in (states[-2].message or "")
    (workshop.folder / "go-on").touch()
    with workshop.worker() as second:
        assert workshop.until(id, "Completed", "Crashed").state.name == "Completed"
        stop(second)


def stop(worker: Started) -> None:
    """End a worker in peace."""
    worker.process.terminate()
    assert worker.end(60).status == 0, worker.errors


def test_a_suspended_run_gives_its_process_back_and_goes_on_in_another(workshop: Workshop) -> None:
    workshop.write("""
from dalsegno.flow_runs import suspend_flow_run

@task
def step(number):
    note(f"{number} {os.getpid()}")

@flow
def job():
    step(1)
    suspend_flow_run()
    step(2)
""")
    with workshop.worker() as worker:
        id = workshop.ask()
        workshop.until(id, "Suspended", "Completed")
        workshop.when(lambda: not lives(int(workshop.noted()[0].split()[1])))
        assert workshop.run(id).state.name == "Suspended"
        resume_flow_run(id_text(id))
        assert workshop.until(id, "Completed", "Crashed", "Failed").state.name == "Completed"
        stop(worker)
    assert [line.split()[0] for line in workshop.noted()] == ["1", "2"]
    assert len({line.split()[1] for line in workshop.noted()}) == 2
