"""Flows that wait for people, messages and a time, killed at each of their steps: each happens once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.guarantees.processes import Program, Started

from dalsegno import resume_flow_run
from dalsegno._backend.connect import connect
from dalsegno._backend.protocol import Backend
from dalsegno.input import receive_input, send_input
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView, Page, RunFilter

pytestmark = pytest.mark.slow
PATIENCE = 60.0

TEXT = """
import os
import sys
import time

from dalsegno import flow, pause_flow_run, retry_flow_run, sleep, suspend_flow_run, task
from dalsegno.input import receive_input, send_input


@task(durable=True)  # else one that was killed at once runs again
def note(what):
    with open("bodies", "a") as bodies:
        bodies.write(f"{what}\\n")
    return what


def halt(where):
    # Once only: the attempt after the one that was killed here goes on.
    if not os.path.exists(where):
        open(where, "w").close()
        print(where, flush=True)
        time.sleep(600)


@flow
def waiting(other):
    note("begun")
    halt("begun")
    number = pause_flow_run(wait_for_input=int, timeout=600)
    halt("paused")
    note(f"number {number}")
    city = receive_input(str, timeout=600).next()
    halt("received")
    note(f"city {city}")
    sleep(1.0)
    halt("slept")
    note("slept")
    send_input(f"{city} {number}", other)
    halt("sent")
    return note("end")


@flow
def leaving():
    note("begun")
    number = suspend_flow_run(wait_for_input=int)
    halt("suspended")
    note(f"number {number}")
    city = suspend_flow_run(wait_for_input=str)
    halt("again")
    return note(f"city {city}")


@flow
def receiving():
    pause_flow_run(timeout=600)


if __name__ == "__main__":
    if sys.argv[1] == "retry":
        retry_flow_run(sys.argv[2], return_state=True)
    elif sys.argv[1] == "waiting":
        waiting(sys.argv[2])
    elif sys.argv[1] == "request":
        from dalsegno._backend.connect import connect
        from dalsegno._engine.requesting import request_run
        from dalsegno.model.ids import id_text
        print(id_text(request_run(connect(), leaving, {}, recovery_delay=0.001)))
    elif sys.argv[1] == "execute":
        from dalsegno.flow_runs import execute_flow_run
        execute_flow_run(sys.argv[2], return_state=True)
    else:
        receiving()
    print("ended", flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Give the backend that the programs of the test record in too."""
    if request.param == "postgresql":
        monkeypatch.setenv("DALSEGNO_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return connect()


@pytest.fixture
def program(tmp_path: Path, dalsegno_home: Path) -> Program:
    return Program(tmp_path / "work", dalsegno_home, TEXT)


def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.02)


def run_of(backend: Backend, flow: str) -> FlowRunView:
    until(lambda: backend.list_flow_runs(RunFilter(flow_names=[flow]), Page()))
    found = backend.read_flow_run(backend.list_flow_runs(RunFilter(flow_names=[flow]), Page())[0].id)
    assert found is not None
    return found


def bodies(program: Program) -> list[str]:
    return (program.folder / "bodies").read_text(encoding="utf-8").splitlines()


def kill(started: Started, at: str) -> None:
    started.until(at)
    started.send(signal.SIGKILL)
    started.end()


@pytest.mark.behaviour(166)
def test_a_flow_that_is_killed_after_each_of_its_steps_does_each_once(backend: Backend, program: Program) -> None:
    with program.start("receiving") as other:
        receiver = run_of(backend, "receiving")
        until(lambda: backend.list_pauses(receiver.id))
        with program.start("waiting", id_text(receiver.id)) as first:
            kill(first, "begun")
        run = run_of(backend, "waiting")
        # Killed while it waits, it asks again; what it was told counts, however often it is killed after that.
        with program.start("retry", id_text(run.id)) as second:
            until(lambda: backend.list_pauses(run.id))
            second.send(signal.SIGKILL)
            second.end()
        backend.find_crashed()
        assert run_of(backend, "waiting").state.name == "Crashed"
        with program.start("retry", id_text(run.id)) as third:
            until(lambda: run_of(backend, "waiting").state.name == "Paused")
            resume_flow_run(run.id, 7)
            kill(third, "paused")
        send_input("Berlin", run.id)
        send_input("Paris", run.id)
        for place in ("received", "slept", "sent"):
            with program.start("retry", id_text(run.id)) as later:
                kill(later, place)
        begun = time.monotonic()
        assert program.run("retry", id_text(run.id)).last == "ended"
        took = time.monotonic() - begun
        assert bodies(program) == ["begun", "number 7", "city Berlin", "slept", "end"]
        ended = run_of(backend, "waiting")
        assert ended.state.name == "Completed", ended.state
        steps = backend.list_task_runs(RunFilter(flow_run_ids=[run.id]), Page())
        assert sorted(step.task_name for step in steps if step.task_name != "note") == [
            "pause_flow_run",
            "receive_input",
            "send_input",
            "sleep",
        ]
        assert took < PATIENCE
        sent = list(receive_input(str, timeout=0.3, flow_run_id=receiver.id))
        assert sent == ["Berlin 7"]
        resume_flow_run(receiver.id)
        other.until("ended")


@pytest.mark.behaviour(166)
def test_a_suspended_run_that_is_killed_after_it_was_resumed_asks_for_nothing_twice(
    backend: Backend, program: Program
) -> None:
    id_ = program.run("request").output.splitlines()[0]
    assert program.run("execute", id_).last == "ended"
    run = run_of(backend, "leaving")
    assert (run.state.name, run.process) == ("Suspended", None)
    resume_flow_run(id_, 7)
    with program.start("execute", id_) as killed:
        kill(killed, "suspended")
    backend.find_crashed()
    until(lambda: run_of(backend, "leaving").state.name == "AwaitingRetry")
    assert program.run("execute", id_).last == "ended"
    assert run_of(backend, "leaving").state.name == "Suspended"
    resume_flow_run(id_, "Berlin")
    with program.start("execute", id_) as killed:
        kill(killed, "again")
    backend.find_crashed()
    assert program.run("execute", id_).last == "ended"
    assert bodies(program) == ["begun", "number 7", "city Berlin"]
    assert run_of(backend, "leaving").state.name == "Completed"
