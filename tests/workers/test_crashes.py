"""A process that ends without bringing its run to an end: the run says how it ended, and is recovered."""

from __future__ import annotations

import os
import signal

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import Workshop, children_of, lives

pytestmark = pytest.mark.embedded

ENDINGS = {
    "os._exit(3)": "ended with exit code 3 before its run had ended",
    "os._exit(0)": "ended with exit code 0 before its run had ended",
    "os.kill(os.getpid(), 9)": "was ended by SIGKILL",
    "os.kill(os.getpid(), 11)": "was ended by SIGSEGV",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_crashed_run_says_how_its_process_ended_and_what_it_wrote_last(workshop: Workshop, ending: str) -> None:
    workshop.write(f"""
def crashed(flow, run, state):
    note(f"{{state.name}} {{run.name}}", "hooks")

@flow(on_crashed=[crashed])
def job():
    print("the last words", file=sys.stderr, flush=True)
    {ending}
""")
    id = workshop.ask(on_crash="fail")
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
    run = workshop.run(id)
    assert run.state.name == "Crashed"
    assert ENDINGS[ending] in (run.state.message or "")
    assert (run.state.message or "").endswith("the last words")
    assert workshop.noted("hooks") == [f"Crashed {run.name}"]


def test_a_run_that_could_call_its_hooks_itself_has_them_called_once(workshop: Workshop) -> None:
    workshop.write("""
def crashed(flow, run, state):
    note(state.name, "hooks")

@flow(on_crashed=[crashed])
def job():
    sys.exit(5)
""")
    id = workshop.ask(on_crash="fail")
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
    assert workshop.run(id).state.name == "Crashed"
    assert workshop.noted("hooks") == ["Crashed"]


def test_a_crashed_run_picks_up_where_it_broke(workshop: Workshop) -> None:
    workshop.write("""
@task(durable=True)
def step(number):
    note(number)
    return number

@flow
def job():
    step(1)
    if not os.path.exists("crashed"):
        note("", "crashed")
        os._exit(1)
    step(2)
""")
    with workshop.worker() as worker:
        assert workshop.until(workshop.ask(), "Completed").attempt > 1
        stop(worker)
    assert workshop.noted() == ["1", "2"]


def test_with_a_worker_that_is_killed_die_its_runs_and_another_one_recovers_them(workshop: Workshop) -> None:
    workshop.write("""
import subprocess

@task(durable=True)
def step(number):
    note(f"{number} {os.getpid()}")

@flow
def job():
    step(1)
    if not os.path.exists("go-on"):
        child = subprocess.Popen(["sleep", "3600"])
        note(child.pid, "children")
        child.wait()
    step(2)
""")
    with workshop.worker() as worker:
        id = workshop.ask()
        child = int(workshop.when_noted(file="children")[0])
        pid = int(workshop.noted()[0].split()[1])
        templates = children_of(worker.process.pid)
        os.kill(worker.process.pid, signal.SIGKILL)
        workshop.when(lambda: not any(lives(each) for each in [pid, child, *templates]))
    (workshop.folder / "go-on").touch()
    with workshop.worker() as second:
        seen = workshop.until(id, "Completed", "Failed")
        assert seen.state.name == "Completed"
        stop(second)
    assert [line.split()[0] for line in workshop.noted()] == ["1", "2"]
