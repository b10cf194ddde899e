"""Leases with real processes: who is silent, stopped, asleep or cut off, and what becomes of their runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.guarantees.processes import Program, Started
from tests.guarantees.servers import LEASE, Server

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import parse_id
from dalsegno.model.views import FlowRunView, Page, RunFilter

PATIENCE = 60.0

# Its process says that it is of another machine, so that nobody here can look whether it lives.
ELSEWHERE = """
import msgspec
from dalsegno import _processes
_processes._current = msgspec.structs.replace(_processes.current_process(), host="elsewhere")
"""

STEPS = """
import os
import sys
import time
from dalsegno import flow, task


@task
def step(number):
    with open("bodies", "a") as bodies:
        bodies.write(f"{number} {os.getpid()}\\n")
    return number


@flow
def steps():
    total = step(0)
    print("begun", flush=True)
    while not os.path.exists("go-on"):
        time.sleep(0.02)
    for number in range(1, 5):
        total += step(number)
    return total
"""

CALLS = f"{STEPS}\nif __name__ == '__main__':\n    steps()\n    print('done', flush=True)\n"

ASKS = f"""{STEPS}
if __name__ == '__main__':
    from dalsegno._backend.connect import connect
    from dalsegno._engine.requesting import request_run
    print(request_run(connect(), steps, {{}}, recovery_delay=0.1).hex(), flush=True)
"""

EXECUTES = f"""{ELSEWHERE}
import sys
from dalsegno.cli import main
sys.exit(main(["flow-run", "execute", sys.argv[1]]))
"""


@pytest.fixture
def store(server: Server) -> Iterator[StoreBackend]:
    """The server's database, to look at."""
    backend = StoreBackend.in_file(str(server.home / "dalsegno.db"))
    yield backend
    backend.close()


def program(tmp_path: Path, text: str, name: str = "program.py") -> Program:
    return Program(tmp_path / "work", tmp_path / "client-home", text, name)


def settings(server: Server) -> dict[str, str]:
    return {"DALSEGNO_API_URL": server.url}


def only_run(store: StoreBackend) -> FlowRunView:
    (run,) = store.list_flow_runs(RunFilter(), Page())
    seen = store.read_flow_run(run.id)
    assert seen is not None
    return seen


def when(store: StoreBackend, holds: Callable[[], bool]) -> None:
    """Wait until something is as it should be: look whenever anybody has written."""
    give_up = time.monotonic() + PATIENCE
    while True:
        token = store.change_token()
        if holds():
            return
        while store.change_token() == token:
            assert time.monotonic() < give_up, [run.state for run in store.list_flow_runs(RunFilter(), Page())]
            time.sleep(0.02)


def until(store: StoreBackend, holds: Callable[[FlowRunView], bool]) -> FlowRunView:
    """Wait until the only run is as it should be."""
    when(store, lambda: any(map(holds, store.list_flow_runs(RunFilter(), Page()))))
    return only_run(store)


def is_named(name: str) -> Callable[[FlowRunView], bool]:
    return lambda run: run.state.name == name


def go_on(tmp_path: Path) -> None:
    (tmp_path / "work" / "go-on").touch()


def bodies(tmp_path: Path) -> list[int]:
    return [int(line.split()[0]) for line in (tmp_path / "work" / "bodies").read_text().splitlines()]


def names(run: FlowRunView) -> list[str]:
    return [state.name for state in run.states or []]


def renewals(store: StoreBackend, count: int) -> None:
    """Wait until a server has noted so often that leases can be renewed."""
    look = "SELECT last_served FROM availability"
    seen: set[int] = set()
    give_up = time.monotonic() + PATIENCE
    while len(seen) < count:
        assert time.monotonic() < give_up
        row = store.database.read(lambda connection: connection.execute(look).fetchone())
        seen.update(row or ())
        time.sleep(0.01)


def begin(tmp_path: Path, server: Server, text: str) -> Started:
    started = program(tmp_path, text).start(settings=settings(server))
    started.until("begun")
    return started


def ask(tmp_path: Path, server: Server) -> str:
    """Ask for a run; gives its id."""
    return program(tmp_path, ASKS, "steps_file.py").run(settings=settings(server)).last


def execute(tmp_path: Path, server: Server, id: str) -> Started:
    started = program(tmp_path, EXECUTES, "executes.py").start(id, settings=settings(server))
    started.until("begun")
    return started


def test_a_script_of_a_laptop_that_slept_is_shown_as_lost_and_then_as_it_is(
    tmp_path: Path, server: Server, store: StoreBackend
) -> None:
    with begin(tmp_path, server, ELSEWHERE + CALLS) as started:
        until(store, is_named("Running"))
        started.send(signal.SIGSTOP)
        lost = until(store, is_named("Crashed"))
        assert lost.state.message is not None
        assert lost.state.message.startswith(f"Lost contact with process {started.process.pid} on elsewhere since ")
        started.send(signal.SIGCONT)
        until(store, is_named("Running"))
        go_on(tmp_path)
        assert started.end().status == 0
    ended = only_run(store)
    assert (ended.state.name, ended.attempt) == ("Completed", 1)
    assert "Crashed" in names(ended)
    assert bodies(tmp_path) == [0, 1, 2, 3, 4]
    assert ended.task_run_counts == {"Completed": 5}


def test_a_claimed_run_that_was_stopped_past_its_lease_is_recovered_elsewhere_and_writes_nothing(
    tmp_path: Path, server: Server, store: StoreBackend
) -> None:
    id = ask(tmp_path, server)
    with execute(tmp_path, server, id) as stopped:
        until(store, is_named("Running"))
        stopped.send(signal.SIGSTOP)
        waiting = until(store, is_named("AwaitingRetry"))
        assert names(waiting)[-2:] == ["Crashed", "AwaitingRetry"]
        with execute(tmp_path, server, id) as second:
            until(store, is_named("Running"))
            before = only_run(store)
            stopped.send(signal.SIGCONT)
            ended = stopped.end()
            assert ended.status != 0
            assert only_run(store).process == before.process
            go_on(tmp_path)
            assert second.end().status == 0
    seen = only_run(store)
    assert (seen.state.name, seen.attempt) == ("Completed", 2)
    assert [state.name for state in seen.states or [] if state.attempt == 1][-1] == "Crashed"
    # The first step was completed before: nothing runs twice, and nothing of the stale process is there.
    assert bodies(tmp_path) == [0, 1, 2, 3, 4]
    assert seen.task_run_counts == {"Completed": 5}
    pids = {line.split()[1] for line in (tmp_path / "work" / "bodies").read_text().splitlines()[1:]}
    assert pids == {str(second.process.pid)}


def test_a_flow_that_holds_the_interpreter_for_two_leases_lives(
    tmp_path: Path, server: Server, store: StoreBackend
) -> None:
    holds = f"""
import ctypes
from dalsegno import flow, task


@flow
def hog():
    print("begun", flush=True)
    # PyDLL keeps the interpreter's lock while it calls: not even heartbeats are sent.
    ctypes.PyDLL(None).usleep(int({2 * LEASE} * 1_000_000))


hog()
print("done", flush=True)
"""
    with begin(tmp_path, server, holds) as started:
        assert started.end().last == "done"
    ended = only_run(store)
    assert names(ended) == ["Pending", "Running", "Completed"]


@pytest.mark.slow
def test_no_run_is_ended_for_the_absence_of_its_server(tmp_path: Path, server: Server, store: StoreBackend) -> None:
    id = ask(tmp_path, server)
    with (
        execute(tmp_path, server, id) as claimed,
        program(tmp_path / "other", ELSEWHERE + CALLS).start(settings=settings(server)) as called,
    ):
        called.until("begun")
        when(store, lambda: len(store.list_flow_runs(RunFilter(), Page())) == 2)
        runs = store.list_flow_runs(RunFilter(), Page())
        server.stop()
        time.sleep(3 * LEASE)
        assert store.find_crashed() == 0
        server.start()
        # Longer than a lease that somebody could have renewed.
        renewals(store, 12)
        for place in (tmp_path, tmp_path / "other"):
            go_on(place)
        assert claimed.end().status == 0
        assert called.end().status == 0
    for run in runs:
        seen = store.read_flow_run(run.id)
        assert seen is not None
        assert (seen.state.name, seen.attempt) == ("Completed", 1)
        assert "Crashed" not in names(seen)


def test_a_claimed_run_whose_process_is_killed_is_recovered_by_whoever_comes_next(
    tmp_path: Path, server: Server, store: StoreBackend
) -> None:
    id = ask(tmp_path, server)
    executes = EXECUTES.replace(ELSEWHERE, "")
    killed = program(tmp_path, executes, "executes_here.py").start(id, settings=settings(server))
    with killed:
        killed.until("begun")
        until(store, is_named("Running"))
        killed.send(signal.SIGKILL)
        killed.process.wait()
        waiting = until(store, is_named("AwaitingRetry"))
    assert any("ended without saying how" in (state.message or "") for state in waiting.states or [])
    go_on(tmp_path)
    with program(tmp_path, executes, "executes_here.py").start(id, settings=settings(server)) as second:
        assert second.end().status == 0
    assert store.read_flow_run(parse_id(bytes.fromhex(id))).state.name == "Completed"  # type: ignore[union-attr]
    assert bodies(tmp_path) == [0, 1, 2, 3, 4]
