"""Runs that were asked for are handed out once, in their order, and whoever lost one writes nothing any more."""

from __future__ import annotations

import msgspec
import pytest
from tests.store.make import COMPLETED, RUNNING, Run, now
from tests.store.requests import ask, claim, elsewhere, state_of
from tests.store.test_attempts import gone

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import crashes, leases
from dalsegno._store.forcing import SetState, set_state
from dalsegno.exceptions import ObjectNotFound, RunIsAlive
from dalsegno.model.ids import new_id
from dalsegno.model.pools import WorkerRecord
from dalsegno.model.queue import RequestRun
from dalsegno.model.states import StateType
from dalsegno.model.views import OpenRun

SECOND = 1_000_000
LEASE = leases.DEFAULT_LENGTH


def begun(run: Run, attempt: int, process: object) -> Run:
    """The same run, as the process says it that executes an attempt of it."""
    return Run(id=run.id, attempt=attempt, process=process)  # type: ignore[arg-type]


def test_a_run_that_is_asked_for_waits_and_is_claimed_once(backend: StoreBackend) -> None:
    run = ask(backend)
    assert state_of(backend, run) == "Scheduled"
    (claimed,) = claim(backend, elsewhere())
    assert (claimed.flow_run_id, claimed.attempt, claimed.lease) == (run.id, 1, 30.0)
    assert state_of(backend, run) == "Pending"
    assert claim(backend, elsewhere()) == []


def test_the_highest_priority_goes_first_and_then_the_earliest(backend: StoreBackend) -> None:
    moment = now()
    late = ask(backend, due=moment - 1 * SECOND)
    early = ask(backend, due=moment - 2 * SECOND)
    urgent = ask(backend, priority=5)
    ask(backend, priority=9, due=moment + 3600 * SECOND)
    assert [run.flow_run_id for run in claim(backend, elsewhere(), limit=10)] == [urgent.id, early.id, late.id]


def test_priority_can_be_changed_while_a_run_waits(backend: StoreBackend) -> None:
    first, second = ask(backend), ask(backend)
    assert backend.set_priority(second.id, 1)
    assert [run.flow_run_id for run in claim(backend, elsewhere(), limit=2)] == [second.id, first.id]
    assert not backend.set_priority(second.id, 2)


def test_asking_twice_is_asking_once(backend: StoreBackend) -> None:
    run = ask(backend)
    assert not backend.request_run(RequestRun(flow_run_id=run.id, priority=3))
    assert len(claim(backend, elsewhere(), limit=5)) == 1
    with pytest.raises(RunIsAlive, match="being executed"):
        backend.request_run(RequestRun(flow_run_id=run.id))
    with pytest.raises(ObjectNotFound):
        backend.request_run(RequestRun(flow_run_id=bytes(16)))


def test_a_run_that_has_ended_is_queued_for_its_next_attempt(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    assert backend.request_run(RequestRun(flow_run_id=run.id))
    (claimed,) = claim(backend, elsewhere())
    assert claimed.attempt == 2
    backend.deliver(run.batch(process=None, flow_runs=[run.flow_run(RUNNING)]))
    assert state_of(backend, run) == "Pending"


def test_a_waiting_run_is_not_opened_by_hand_and_can_be_cancelled(backend: StoreBackend) -> None:
    run = ask(backend)
    with pytest.raises(RunIsAlive, match="waits in the queue"):
        backend.open_run(OpenRun(flow_run_id=run.id, process=_processes.current_process()))
    assert backend.request_cancel(run.id)
    assert state_of(backend, run) == "Cancelled"
    assert claim(backend, elsewhere()) == []


def test_a_claimed_run_whose_process_dies_is_fenced_and_waits_again(backend: StoreBackend) -> None:
    run = ask(backend, recovery_delay=0.0)
    dead = gone()
    (claimed,) = claim(backend, dead)
    first = begun(run, claimed.attempt, dead)
    backend.deliver(first.batch(flow_runs=[first.flow_run()], task_runs=[first.task_run(RUNNING)]))
    assert backend.find_crashed() == 1
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert [(state.attempt, state.name) for state in seen.states or []] == [
        (1, "Scheduled"),
        (1, "Running"),
        (1, "Crashed"),
        (2, "AwaitingRetry"),
    ]
    assert seen.task_run_counts == {"Crashed": 1}
    # It was only thought to be dead: nothing that it says counts, and it is told.
    receipt = backend.deliver(first.batch(flow_runs=[first.flow_run(COMPLETED, first=1)], recorded=[run.id]))
    assert receipt.fenced == [run.id]
    assert backend.heartbeat(dead.id, {run.id: 1}).fenced == [run.id]
    assert state_of(backend, run) == "AwaitingRetry"
    (again,) = claim(backend, elsewhere())
    assert again.attempt == 2


def watched_by_a_worker(backend: StoreBackend) -> tuple[Run, WorkerRecord]:
    """A run whose process is gone, and the worker that claimed it: this process."""
    run = ask(backend, on_crash="fail")
    process = msgspec.structs.replace(_processes.current_process(), id=new_id())
    worker = WorkerRecord(
        process_id=process.id,
        name="worker-1",
        type="process",
        work_pool_name=None,
        host=process.host,
        pid=process.pid,
        version="1",
    )
    backend.worker_heartbeat(worker)
    claim(backend, process)
    first = begun(run, 1, gone())
    backend.deliver(first.batch(flow_runs=[first.flow_run()]))
    return run, worker


def test_how_a_process_ended_is_said_by_the_worker_that_knows_it(backend: StoreBackend) -> None:
    run, _ = watched_by_a_worker(backend)
    moment = now()
    assert crashes.find_crashed(backend.database, moment) == 0
    assert crashes.find_crashed(backend.database, moment + 3 * SECOND) == 0
    assert backend.crash_attempt(run.id, 1, "It ended with exit code 3.")
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.state.name, seen.state.message) == ("Crashed", "It ended with exit code 3.")


def test_a_worker_that_does_not_say_how_a_process_ended_is_not_waited_for(backend: StoreBackend) -> None:
    run, _ = watched_by_a_worker(backend)
    moment = now()
    assert crashes.find_crashed(backend.database, moment) == 0
    assert crashes.find_crashed(backend.database, moment + 11 * SECOND) == 1
    assert state_of(backend, run) == "Crashed"


def test_a_process_whose_worker_has_ended_is_seen_to_be_gone_at_once(backend: StoreBackend) -> None:
    run, worker = watched_by_a_worker(backend)
    backend.worker_gone(worker.process_id)
    assert backend.find_crashed() == 1
    assert state_of(backend, run) == "Crashed"


def test_a_run_is_recovered_so_often_and_no_more(backend: StoreBackend) -> None:
    run = ask(backend, recovery_delay=0.0, max_recoveries=2)
    for attempt in (1, 2, 3):
        (claimed,) = claim(backend, gone())
        assert claimed.attempt == attempt
        backend.find_crashed()
    assert state_of(backend, run) == "Crashed"
    assert claim(backend, elsewhere()) == []


def test_recovery_waits_longer_each_time(backend: StoreBackend) -> None:
    run = ask(backend, recovery_delay=8.0)
    waits: list[float] = []
    for _ in range(2):
        claim(backend, gone(), only=[run.id])
        backend.find_crashed()
        seen = backend.read_flow_run(run.id)
        assert seen is not None
        assert seen.state.details is not None
        waits.append((seen.state.details["scheduled_time"] - seen.state.timestamp) / SECOND)
    assert claim(backend, elsewhere()) == []
    assert 4 <= waits[0] <= 12
    assert 8 <= waits[1] <= 24


def test_a_run_may_ask_not_to_be_recovered(backend: StoreBackend) -> None:
    run = ask(backend, on_crash="fail")
    claim(backend, gone())
    backend.find_crashed()
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.state.name, seen.attempt) == ("Crashed", 2)


def test_a_run_that_somebody_wanted_to_be_cancelled_is_not_recovered(backend: StoreBackend) -> None:
    run = ask(backend)
    dead = elsewhere()
    claim(backend, dead)
    assert backend.request_cancel(run.id)
    assert crashes.find_crashed(backend.database, now() + LEASE + SECOND) == 1
    assert state_of(backend, run) == "Crashed"


def test_a_claim_that_nobody_renews_ends_though_its_worker_lives(backend: StoreBackend) -> None:
    lost, kept = ask(backend, recovery_delay=0.0), ask(backend)
    worker = elsewhere()
    held = {run.flow_run_id: run.attempt for run in claim(backend, worker, limit=2)}
    later = now() + LEASE + SECOND
    del held[lost.id]
    backend.database.write(lambda connection: connection.execute("UPDATE run_request SET renewed = renewed - 1000"))
    backend.renew_leases(worker.id, held)
    assert crashes.find_idle_claims(backend.database, later - SECOND) == 1
    assert (state_of(backend, lost), state_of(backend, kept)) == ("AwaitingRetry", "Pending")
    assert backend.renew_leases(worker.id, {lost.id: 1, **held}).fenced == [lost.id]


def test_a_worker_renews_for_a_child_that_cannot(backend: StoreBackend) -> None:
    run = ask(backend)
    worker, child = elsewhere(), elsewhere()
    claim(backend, worker)
    of_child = begun(run, 1, child)
    backend.deliver(of_child.batch(flow_runs=[of_child.flow_run()]))
    backend.database.write(
        lambda connection: connection.execute("UPDATE process SET last_seen = last_seen - ?", (LEASE,))
    )
    backend.renew_leases(worker.id, {run.id: 1})
    assert backend.find_crashed() == 0


def test_what_a_worker_had_claimed_and_not_begun_waits_again_at_once(backend: StoreBackend) -> None:
    first, second, third = ask(backend), ask(backend), ask(backend)
    worker, child = elsewhere(), elsewhere()
    claim(backend, worker, limit=3)
    of_child = begun(third, 1, child)
    backend.deliver(of_child.batch(flow_runs=[of_child.flow_run()]))
    assert backend.give_back({first.id: 1, third.id: 1}) == 1
    assert state_of(backend, first) == "Scheduled"
    backend.end_process(worker.id)
    assert state_of(backend, second) == "Scheduled"
    assert {run.attempt for run in claim(backend, elsewhere(), limit=5)} == {2}
    assert state_of(backend, third) == "Running"


def test_a_run_that_ended_by_its_own_word_is_nobodys_any_more(backend: StoreBackend) -> None:
    run = ask(backend)
    worker = elsewhere()
    claim(backend, worker)
    done = begun(run, 1, worker)
    backend.deliver(done.batch(flow_runs=[done.flow_run(COMPLETED)]))
    assert crashes.find_crashed(backend.database, now() + LEASE + SECOND) == 0
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.state.name, seen.attempt) == ("Completed", 1)
    assert backend.delete_flow_run(run.id)
    left = backend.database.read(lambda connection: connection.execute("SELECT count(*) FROM run_request").fetchone())
    assert left == (0,)


def test_a_waiting_run_whose_state_is_forced_waits_no_more(backend: StoreBackend) -> None:
    run = ask(backend)
    wanted = SetState(type=StateType.CANCELLED, force=True)
    backend.database.write(lambda connection: set_state(connection, run.id, wanted, now()))
    assert state_of(backend, run) == "Cancelled"
    assert claim(backend, elsewhere()) == []
