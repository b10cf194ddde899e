"""Workers, as the page on behaviour describes them."""

from __future__ import annotations

import os
import signal

import pytest
from tests.workers.conftest import workshop as workshop
from tests.workers.test_process_worker import JOB, stop
from tests.workers.workshop import Workshop, children_of, is_told, lives

pytestmark = pytest.mark.embedded

ENDINGS = {
    "os._exit(3)": "ended with exit code 3 before its run had ended",
    "os._exit(0)": "ended with exit code 0 before its run had ended",
    "os.kill(os.getpid(), 9)": "was ended by SIGKILL",
    "os.kill(os.getpid(), 11)": "was ended by SIGSEGV",
}


@pytest.mark.behaviour(143)
def test_every_run_has_a_process_of_its_own_in_the_folder_of_its_deployment(workshop: Workshop) -> None:
    workshop.write(JOB)
    ids = [workshop.ask(parameters={"number": number}) for number in range(3)]
    ended = workshop.worker("--run-once", "--limit", "2")
    with ended:
        output = ended.end(120).output
    assert [workshop.run(id).state.name for id in ids] == ["Completed"] * 3
    lines = [line.split() for line in workshop.noted()]
    assert sorted(line[0] for line in lines) == ["0", "1", "2"]
    assert len({line[1] for line in lines}) == 3, "a process each"
    assert len({line[2] for line in lines}) == 1, "all forked from one template"
    assert {line[3] for line in lines} == {str(workshop.folder)}
    assert output.count("said by the flow") == 3


@pytest.mark.behaviour(144)
def test_an_edited_helper_is_seen_by_the_next_run(workshop: Workshop) -> None:
    workshop.write("SAYS = 'as it was'\n", "helper.py")
    workshop.write("""
from helper import SAYS

@flow
def job():
    note(f"{os.getppid()} {SAYS}")
""")
    with workshop.worker() as worker:
        for _ in range(2):
            workshop.until(workshop.ask(), "Completed")
        workshop.write("SAYS = 'edited since'\n", "helper.py")
        workshop.until(workshop.ask(), "Completed")
        stop(worker)
    lines = [line.split(" ", 1) for line in workshop.noted()]
    assert [line[1] for line in lines] == ["as it was", "as it was", "edited since"]
    assert lines[0][0] == lines[1][0] != lines[2][0]


@pytest.mark.behaviour(145)
def test_no_variable_of_one_run_reaches_another(workshop: Workshop) -> None:
    workshop.write("""
AT_IMPORT = os.environ.get("REGION")

@flow
def job():
    note(f"{AT_IMPORT} {os.environ.get('REGION')} {os.environ.get('TOKEN')}")
    os.environ["TOKEN"] = "set by a run"
""")
    with workshop.worker() as worker:
        for variables in ({"env": {"REGION": "eu", "TOKEN": "secret"}}, {"env": {"REGION": "us"}}, {}, {}):
            workshop.until(workshop.ask(job_variables=variables), "Completed")
        stop(worker)
    assert workshop.noted() == ["eu eu secret", "us us None", "None None None", "None None None"]


@pytest.mark.behaviour(146)
def test_a_worker_that_is_told_to_end_waits_for_what_it_began_and_claims_nothing_more(workshop: Workshop) -> None:
    workshop.write("""
@flow
def job():
    note("begun")
    while not os.path.exists("go-on"):
        time.sleep(0.02)
""")
    with workshop.worker("--limit", "1") as worker:
        running = workshop.ask()
        waiting = workshop.ask()
        workshop.when_noted()
        worker.process.terminate()
        workshop.when(lambda: is_told(worker, "claims nothing any more"))
        (workshop.folder / "go-on").touch()
        assert worker.end(60).status == 0
    assert workshop.run(running).state.name == "Completed"
    assert workshop.run(waiting).state.name == "Scheduled"
    assert workshop.backend.list_workers("pool") == []


@pytest.mark.behaviour(147)
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


@pytest.mark.behaviour(148)
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
