"""A new attempt is opened once, when nobody executes the run; wishes reach whoever executes it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from tests.store.make import COMPLETED, FAILED, PENDING, RUNNING, Run

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import AttemptConflict, BackendError, ObjectNotFound, RunIsAlive
from dalsegno.model.ids import new_id
from dalsegno.model.records import ProcessRecord
from dalsegno.model.results import pack_plain
from dalsegno.model.views import OpenRun


@pytest.fixture
def other() -> Iterator[ProcessRecord]:
    """Another process, which lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield record_of(child.pid)
        child.kill()


def record_of(pid: int) -> ProcessRecord:
    return msgspec.structs.replace(
        _processes.current_process(), id=new_id(), pid=pid, start_time=_processes.start_time(pid) or 0.0
    )


def gone() -> ProcessRecord:
    """A process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    record = record_of(child.pid)
    child.wait()
    return record


def test_a_failed_run_is_opened_again_under_the_next_attempt(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))
    assert (opened.attempt, opened.run_count) == (2, 2)


def test_who_asks_again_for_want_of_an_answer_gets_the_same_attempt(
    backend: StoreBackend, other: ProcessRecord
) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    asked = OpenRun(flow_run_id=run.id, process=run.process, only_from_attempt=1)
    first = backend.open_run(asked)
    assert backend.open_run(asked) == first
    # Others do not, and neither does who has begun to record it.
    with pytest.raises((RunIsAlive, AttemptConflict)):
        backend.open_run(OpenRun(flow_run_id=run.id, process=other))
    begun = Run(id=run.id, attempt=first.attempt)
    backend.deliver(begun.batch(flow_runs=[begun.flow_run(RUNNING)]))
    with pytest.raises((RunIsAlive, AttemptConflict)):
        backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))


def test_a_run_that_is_executed_is_not_opened(backend: StoreBackend, other: ProcessRecord) -> None:
    run = Run(process=other)
    backend.deliver(run.batch(flow_runs=[run.flow_run(RUNNING)]))
    with pytest.raises(RunIsAlive, match=f"brave-otter.* process {other.pid} on "):
        backend.open_run(OpenRun(flow_run_id=run.id, process=_processes.current_process()))


def test_of_two_that_open_a_run_one_gets_it(backend: StoreBackend, other: ProcessRecord) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    backend.open_run(OpenRun(flow_run_id=run.id, process=other, only_from_attempt=1))
    with pytest.raises(AttemptConflict, match="attempt 2, not 1"):
        backend.open_run(OpenRun(flow_run_id=run.id, process=run.process, only_from_attempt=1))
    with pytest.raises(RunIsAlive):
        backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))


def test_what_a_dead_process_left_is_marked_before_its_run_is_opened(backend: StoreBackend) -> None:
    run = Run(process=gone())
    task_run = run.task_run(RUNNING)
    backend.deliver(run.batch(flow_runs=[run.flow_run(RUNNING)], task_runs=[task_run]))
    backend.open_run(OpenRun(flow_run_id=run.id, process=_processes.current_process()))
    seen, of_task = backend.read_flow_run(run.id), backend.read_task_run(task_run.id)
    assert seen is not None
    assert of_task is not None
    assert [(state.attempt, state.name) for state in seen.states or []] == [
        (1, "Running"),
        (1, "Crashed"),
        (2, "Pending"),
    ]
    assert of_task.state.name == "Crashed"


def test_a_nested_run_is_retried_through_its_root(backend: StoreBackend) -> None:
    run = Run()
    nested = Run(root=run.id, parent=run.id)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED), nested.flow_run(FAILED)]))
    with pytest.raises(ObjectNotFound, match="nested in Flow run 'brave-otter'"):
        backend.open_run(OpenRun(flow_run_id=nested.id, process=run.process))


def test_a_quiet_process_learns_that_it_lost_its_run(backend: StoreBackend, other: ProcessRecord) -> None:
    run, deleted = Run(), Run()
    backend.deliver(
        run.batch(attempts={run.id: 1, deleted.id: 1}, flow_runs=[run.flow_run(FAILED), deleted.flow_run(RUNNING)])
    )
    assert backend.heartbeat(run.process.id, {run.id: 1, deleted.id: 1}).fenced == []
    backend.open_run(OpenRun(flow_run_id=run.id, process=other))
    backend.end_process(deleted.process.id)
    backend.delete_flow_run(deleted.id)
    assert backend.heartbeat(run.process.id, {run.id: 1, deleted.id: 1}).fenced == [run.id, deleted.id]


def test_a_run_that_is_not_there_is_named(backend: StoreBackend) -> None:
    with pytest.raises(ObjectNotFound, match="There is no flow run 00000000-0000"):
        backend.open_run(OpenRun(flow_run_id=bytes(16), process=_processes.current_process()))


def test_a_run_that_nobody_executes_is_cancelled_at_once(backend: StoreBackend) -> None:
    run = Run(process=gone())
    waiting = run.task_run(PENDING, state_name="NotReady")
    running = run.task_run(RUNNING)
    backend.deliver(run.batch(flow_runs=[run.flow_run(RUNNING)], task_runs=[waiting, running]))
    assert backend.request_cancel(run.id)
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.state.name == "Cancelled"
    assert seen.task_run_counts == {"Cancelled": 1, "NotReady": 1}


def test_cancelling_a_nested_run_asks_its_root(backend: StoreBackend) -> None:
    run = Run()
    nested = Run(root=run.id, parent=run.id)
    backend.deliver(run.batch(flow_runs=[run.flow_run(), nested.flow_run()]))
    assert backend.request_cancel(nested.id)
    assert backend.heartbeat(run.process.id, {run.id: 1}).cancel == [run.id]


def test_a_failed_task_run_is_completed_by_hand(backend: StoreBackend) -> None:
    run = Run()
    task_run = run.task_run(FAILED)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)], task_runs=[task_run]))
    backend.set_task_result(task_run.id, pack_plain(b"\x2a"), "Set by ann.")
    seen = backend.read_task_run(task_run.id)
    assert seen is not None
    assert (seen.state.name, seen.state.message, seen.result) == ("Completed", "Set by ann.", b"\x01\x2a")
    assert [state.name for state in seen.states or []] == ["Failed", "Completed"]
    entry = backend.replay_entries(run.id, None, 10)[0]
    assert (entry.state_type, entry.has_result, entry.state_count) == (COMPLETED, True, 2)


def test_a_result_is_not_set_in_a_run_that_is_executed(backend: StoreBackend, other: ProcessRecord) -> None:
    run = Run(process=other)
    task_run = run.task_run(FAILED)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[task_run]))
    with pytest.raises(RunIsAlive):
        backend.set_task_result(task_run.id, b"\x01\x01", "no")
    with pytest.raises(ObjectNotFound, match="no task run"):
        backend.set_task_result(bytes(16), b"\x01\x01", "no")


def test_a_run_that_is_executed_is_not_deleted(backend: StoreBackend, other: ProcessRecord) -> None:
    run = Run(process=other)
    nested = Run(root=run.id, parent=run.id, process=other)
    backend.deliver(run.batch(flow_runs=[run.flow_run(), nested.flow_run()]))
    with pytest.raises(RunIsAlive, match="before deleting it"):
        backend.delete_flow_run(run.id)
    with pytest.raises(BackendError, match="deleted with it"):
        backend.delete_flow_run(nested.id)
    assert not backend.delete_flow_run(bytes(16))
