"""A lease ends when it was not renewed though it could have been; a run that only lost contact goes on."""

from __future__ import annotations

import pytest
from tests.store.make import COMPLETED, PENDING, RUNNING, Run, now
from tests.store.requests import ask, claim, elsewhere, state_of

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import crashes, leases
from dalsegno.model.views import OpenRun

SECOND = 1_000_000
LEASE = leases.DEFAULT_LENGTH


def serve(backend: StoreBackend, moment: int) -> None:
    backend.database.write(lambda connection: leases.note_served(connection, LEASE, moment))


@pytest.fixture
def remote(backend: StoreBackend) -> Run:
    """A run that a process of another machine executes."""
    run = Run(process=elsewhere())
    task_run = run.task_run(RUNNING)
    nested = Run(root=run.id, parent=run.id, process=run.process)
    backend.deliver(
        run.batch(flow_runs=[run.flow_run(), nested.flow_run()], task_runs=[task_run, run.task_run(PENDING)])
    )
    return run


def test_a_silent_process_of_another_machine_loses_its_lease(backend: StoreBackend, remote: Run) -> None:
    assert crashes.find_crashed(backend.database, now() + LEASE - SECOND) == 0
    assert crashes.find_crashed(backend.database, now() + LEASE + SECOND) == 2
    seen = backend.read_flow_run(remote.id)
    assert seen is not None
    assert seen.state.name == "Crashed"
    assert seen.state.message is not None
    assert seen.state.message.startswith(f"Lost contact with process {remote.process.pid} on elsewhere since ")
    assert seen.attempt == 1


def test_heartbeats_renew_a_lease(backend: StoreBackend, remote: Run) -> None:
    backend.database.write(
        lambda connection: connection.execute("UPDATE process SET last_seen = last_seen - ?", (LEASE,))
    )
    assert backend.heartbeat(remote.process.id, {remote.id: 1}).lease == 30.0
    assert backend.find_crashed() == 0


def test_a_living_process_of_this_machine_outranks_its_lease(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert crashes.find_crashed(backend.database, now() + 100 * LEASE) == 0


def test_no_lease_ends_within_one_length_of_an_outage(backend: StoreBackend, remote: Run) -> None:
    began = now()
    serve(backend, began)
    back = began + 10 * LEASE
    serve(backend, back)
    assert crashes.find_crashed(backend.database, back + LEASE // 2) == 0
    for moment in range(back, back + LEASE + 2 * SECOND, 5 * SECOND):
        serve(backend, moment)
    assert crashes.find_crashed(backend.database, back + LEASE + SECOND) == 2


def test_while_no_server_serves_nobody_is_blamed_for_silence(backend: StoreBackend, remote: Run) -> None:
    serve(backend, now())
    assert crashes.find_crashed(backend.database, now() + 10 * LEASE) == 0


def test_slow_services_of_one_server_do_not_matter_beside_another_ones(backend: StoreBackend) -> None:
    began = now()
    for moment in range(began, began + 3 * LEASE, LEASE // 4):
        serve(backend, moment)
    serve(backend, began)  # a server that was slow to write what it had seen long ago
    moment = began + 3 * LEASE
    counted_from = backend.database.read(lambda connection: leases.counted_from(connection, moment))
    assert counted_from == began


def test_a_run_that_regains_contact_is_shown_as_it_is(backend: StoreBackend, remote: Run) -> None:
    crashes.find_crashed(backend.database, now() + LEASE + SECOND)
    receipt = backend.heartbeat(remote.process.id, {remote.id: 1})
    assert receipt.fenced == []
    seen = backend.read_flow_run(remote.id)
    assert seen is not None
    assert (seen.state.name, seen.end_time) == ("Running", None)
    assert [state.name for state in seen.states or []] == ["Running", "Running", "Crashed"]
    assert seen.task_run_counts == {"Running": 1, "Pending": 1}
    backend.deliver(remote.batch(process=None, flow_runs=[remote.flow_run(COMPLETED, first=1)]))
    assert state_of(backend, remote) == "Completed"


def test_only_a_retry_fences_a_run_that_was_called_directly(backend: StoreBackend, remote: Run) -> None:
    crashes.find_crashed(backend.database, now() + LEASE + SECOND)
    backend.open_run(OpenRun(flow_run_id=remote.id, process=_processes.current_process()))
    assert backend.heartbeat(remote.process.id, {remote.id: 1}).fenced == [remote.id]
    receipt = backend.deliver(remote.batch(process=None, flow_runs=[remote.flow_run(COMPLETED, first=1)]))
    assert receipt.fenced == [remote.id]
    assert state_of(backend, remote) == "Pending"


def test_what_is_nested_in_a_fenced_run_stays_crashed(backend: StoreBackend) -> None:
    run = ask(backend)
    process = elsewhere()
    claim(backend, process)
    stale = Run(id=run.id, process=process)
    nested = Run(root=run.id, parent=run.id, process=process)
    backend.deliver(stale.batch(flow_runs=[stale.flow_run(), nested.flow_run()], task_runs=[nested.task_run(RUNNING)]))
    crashes.find_crashed(backend.database, now() + LEASE + SECOND)
    backend.heartbeat(process.id, {run.id: 1})
    assert state_of(backend, nested) == "Crashed"
    assert state_of(backend, run) == "AwaitingRetry"
