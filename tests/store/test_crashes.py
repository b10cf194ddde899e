"""A run whose process is gone says so with what is known; if it was only thought so, it corrects that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, RUNNING, Run, now
from tests.store.test_attempts import gone, record_of

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import crashes
from dalsegno._store.leases import DEFAULT_LENGTH
from dalsegno._store.processes import Seen
from dalsegno.model.ids import new_id
from dalsegno.model.views import RunFilter

# Delivers one run with two task runs, says its id, and waits to be killed.
_VICTIM = """
import sys
from dalsegno._backend.embedded import StoreBackend
from tests.store.make import PENDING, RUNNING, Run
backend = StoreBackend.open(sys.argv[1])
run = Run()
backend.deliver(run.batch(
    flow_runs=[run.flow_run()],
    task_runs=[run.task_run(), run.task_run(RUNNING), run.task_run(PENDING),
               run.task_run(PENDING, state_name="NotReady")],
))
print(run.id.hex(), flush=True)
input()
"""


@pytest.fixture
def killed(url: str) -> tuple[bytes, int]:
    """A run whose process was killed, and the process's id."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _VICTIM, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as child:
        assert child.stdout is not None
        id = bytes.fromhex(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    return id, child.pid


def test_the_runs_of_a_killed_process_are_crashed(killed: tuple[bytes, int], backend: StoreBackend) -> None:
    id, pid = killed
    assert backend.find_crashed() == 1
    seen = backend.read_flow_run(id)
    assert seen is not None
    assert seen.state.name == "Crashed"
    assert seen.state.message is not None
    assert f"Process {pid} on " in seen.state.message
    assert "ended without saying how; it was last seen at " in seen.state.message
    assert seen.task_run_counts == {"Completed": 1, "Crashed": 2, "NotReady": 1}
    assert seen.end_time is not None
    assert backend.find_crashed() == 0


def test_two_that_find_the_same_crash_say_it_once(killed: tuple[bytes, int], open_backend: Opener) -> None:
    backend, first, second = open_backend(), open_backend().database, open_backend().database
    moment = now()
    crashes.find_crashed(first, moment)
    seen_here = Seen(_processes.current_process(), moment, DEFAULT_LENGTH, None)
    second.write(lambda connection: crashes.crash_process(connection, seen_here, moment))
    seen = backend.read_flow_run(killed[0])
    assert seen is not None
    assert [state.name for state in seen.states or []] == ["Running", "Crashed"]


def test_the_runs_of_living_processes_are_left_alone(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run(RUNNING)]))
    assert backend.find_crashed() == 0
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.state.name == "Running"


def test_a_task_run_outside_flows_crashes_with_what_it_called(backend: StoreBackend) -> None:
    run = Run(process=gone())
    outer = new_id()
    whole = run.task_run(RUNNING, id=outer, root_run_id=outer, flow_run_id=None)
    inner = run.task_run(RUNNING, root_run_id=outer, flow_run_id=None, parent_task_run_id=outer)
    backend.deliver(run.batch(attempts={outer: 1}, task_runs=[whole, inner]))
    assert backend.find_crashed() == 1
    assert backend.count_task_runs(RunFilter()) == {"Crashed": 2}


def test_a_process_that_ended_in_order_left_nothing_to_find(backend: StoreBackend) -> None:
    run = Run(process=gone())
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    backend.end_process(run.process.id)
    assert backend.find_crashed() == 0


def test_a_process_that_was_only_thought_dead_corrects_its_run(backend: StoreBackend) -> None:
    run = Run(process=gone())
    task_run = run.task_run(RUNNING)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[task_run]))
    assert backend.find_crashed() == 1
    receipt = backend.deliver(
        run.batch(
            flow_runs=[run.flow_run(COMPLETED, first=1)],
            task_runs=[run.task_run(COMPLETED, id=task_run.id, first=1)],
        )
    )
    assert receipt.fenced == []
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.state.name == "Completed"
    assert [state.name for state in seen.states or []] == ["Running", "Crashed", "Completed"]
    assert seen.task_run_counts == {"Completed": 1}


def test_a_restart_of_the_machine_is_told_from_a_death() -> None:
    before = msgspec.structs.replace(_processes.current_process(), boot_id="of the start before")
    assert _processes.is_alive(before) is False
    assert crashes.what_is_known(Seen(before, now(), DEFAULT_LENGTH, None)).startswith("The machine was restarted")


def test_a_process_of_another_machine_counts_as_alive_while_it_is_heard_of(backend: StoreBackend) -> None:
    elsewhere = msgspec.structs.replace(_processes.current_process(), id=new_id(), host="elsewhere")
    run = Run(process=elsewhere)
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert backend.find_crashed() == 0
    assert crashes.find_crashed(backend.database, now() + DEFAULT_LENGTH + 1_000_000) == 1


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    me = _processes.current_process()
    assert _processes.is_alive(me) is True
    assert _processes.is_alive(msgspec.structs.replace(me, start_time=me.start_time - 60)) is False


def test_a_process_that_ended_but_was_not_waited_for_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        record = record_of(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert _processes.is_alive(record) is False
