"""Task runs in the background, in the store: asked for once, claimed by one, fenced, recovered up to a limit."""

from __future__ import annotations

import msgspec

from dalsegno._backend.embedded import StoreBackend
from dalsegno._engine.definitions import task_definition_of
from dalsegno._processes import current_process
from dalsegno._services import reaper
from dalsegno.model.background import ClaimedTask, ClaimTasks, RequestTask
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.records import Batch, ProcessRecord, ResultBlob, TaskRunSnapshot
from dalsegno.model.results import pack_plain
from dalsegno.model.states import STATE_CODES, StateType, pack_states

SECOND = 1_000_000
LEASE = 30 * SECOND
SCHEDULED, PENDING, RUNNING, COMPLETED = (
    STATE_CODES[each] for each in (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.COMPLETED)
)
TASK = task_definition_of("mails.send", "send", None, None, ())


def snapshot(id: bytes, code: int, attempt: int, version: int, position: int) -> TaskRunSnapshot:
    states = pack_states(attempt, position, id_time(id), [(code, id_time(id) + version)])
    start = None if code < RUNNING else id_time(id)
    end = id_time(id) + 1 if code == COMPLETED else None
    result = pack_plain(b"\x01") if code == COMPLETED else None
    ran = 0 if start is None else attempt
    fields = (code, None, states, start, end, result, None, None, None)
    return TaskRunSnapshot(id, id, None, None, TASK.id, attempt, version, ran, None, None, *fields)


def ask(backend: StoreBackend, id: bytes | None = None, recoveries: int = 3) -> bytes:
    id = id or new_id()
    wanted = RequestTask(
        task=TASK, snapshot=snapshot(id, SCHEDULED, 0, 1, 0), parameters=b"\x01\x80", max_recoveries=recoveries
    )
    assert backend.request_task(wanted)
    return id


def elsewhere() -> ProcessRecord:
    return msgspec.structs.replace(current_process(), id=new_id(), host="elsewhere", boot_id="other", pid=4321)


def claim(backend: StoreBackend, process: ProcessRecord, limit: int = 10, key: str = TASK.key) -> list[ClaimedTask]:
    return backend.claim_tasks(ClaimTasks(process=process, holder="w", task_keys=[key], limit=limit))


def record(backend: StoreBackend, process: ProcessRecord, run: TaskRunSnapshot) -> list[bytes]:
    receipt = backend.deliver(
        Batch(attempts={run.id: run.attempt}, process_id=process.id, process=process, tasks=[TASK], task_runs=[run])
    )
    return receipt.fenced


def names(backend: StoreBackend, id: bytes) -> list[str]:
    seen = backend.read_task_run(id)
    assert seen is not None
    return [state.name for state in seen.states or []]


def after_the_lease(backend: StoreBackend) -> int:
    """Tick as a server that was there all the time does, until the lease has ended."""
    now = backend.database.now()
    return sum(reaper.tick(backend.database, LEASE, now + seconds * SECOND) for seconds in range(0, 70, 5))


def test_asking_twice_is_asking_once_also_when_the_run_has_ended(backend: StoreBackend) -> None:
    id = ask(backend)
    again = RequestTask(task=TASK, snapshot=snapshot(id, SCHEDULED, 0, 1, 0), parameters=b"\x01\x80")
    assert not backend.request_task(again)
    me = current_process()
    (claimed,) = claim(backend, me)
    assert claim(backend, me) == []
    assert record(backend, me, snapshot(id, COMPLETED, claimed.attempt, 1, 1)) == []
    assert not backend.request_task(again)
    assert claim(backend, me) == []
    assert names(backend, id) == ["Scheduled", "Pending", "Completed"]


def test_the_earliest_are_claimed_first_and_those_of_other_tasks_are_not(backend: StoreBackend) -> None:
    ids = [ask(backend) for _ in range(5)]
    me = current_process()
    assert claim(backend, me, key="other.task") == []
    assert [each.task_run_id for each in claim(backend, me, limit=3)] == ids[:3]
    assert [each.task_run_id for each in claim(backend, me, limit=3)] == ids[3:]


def test_parameters_beside_the_row_are_there_when_the_run_is(backend: StoreBackend) -> None:
    id = new_id()
    blob = ResultBlob(new_id(), id, b"x" * 100_000)
    wanted = RequestTask(task=TASK, snapshot=snapshot(id, SCHEDULED, 0, 1, 0), parameters=b"\x01\x80", blob=blob)
    assert backend.request_task(wanted)
    assert backend.read_blob(blob.id) == blob.data


def test_what_is_given_back_waits_again_and_what_its_holder_still_says_is_not_written(backend: StoreBackend) -> None:
    id, me = ask(backend), current_process()
    (claimed,) = claim(backend, me)
    assert backend.give_back_tasks({id: claimed.attempt}) == 1
    assert backend.give_back_tasks({id: claimed.attempt}) == 0
    assert record(backend, me, snapshot(id, COMPLETED, claimed.attempt, 1, 1)) == [id]
    (again,) = claim(backend, me)
    assert again.attempt > claimed.attempt
    assert names(backend, id) == ["Scheduled", "Pending", "Scheduled", "Pending"]


def test_a_silent_holder_loses_the_run_with_its_lease_and_its_late_word_is_not_recorded(backend: StoreBackend) -> None:
    id, silent = ask(backend), elsewhere()
    (lost,) = claim(backend, silent)
    record(backend, silent, snapshot(id, RUNNING, lost.attempt, 1, 1))
    assert after_the_lease(backend) == 1
    assert names(backend, id)[-2:] == ["Crashed", "AwaitingRetry"]
    (again,) = claim(backend, current_process())
    assert backend.renew_tasks(silent.id, {id: lost.attempt}).lost == [id]
    assert record(backend, silent, snapshot(id, COMPLETED, lost.attempt, 2, 2)) == [id]
    assert record(backend, current_process(), snapshot(id, COMPLETED, again.attempt, 1, 1)) == []
    assert names(backend, id).count("Completed") == 1
    # Also when the other has ended, and nobody holds it any more.
    record(backend, silent, snapshot(id, COMPLETED, lost.attempt, 3, 3))
    assert names(backend, id).count("Completed") == 1


def test_who_renews_keeps_the_run(backend: StoreBackend) -> None:
    id, far = ask(backend), elsewhere()
    (held,) = claim(backend, far)
    record(backend, far, snapshot(id, RUNNING, held.attempt, 1, 1))
    assert backend.renew_tasks(far.id, {id: held.attempt}).lost == []
    assert reaper.tick(backend.database, LEASE, backend.database.now()) == 0
    assert claim(backend, current_process()) == []


def test_a_run_whose_processes_all_die_stays_crashed_at_its_limit(backend: StoreBackend) -> None:
    id = ask(backend, recoveries=0)
    far = elsewhere()
    (lost,) = claim(backend, far)
    record(backend, far, snapshot(id, RUNNING, lost.attempt, 1, 1))
    after_the_lease(backend)
    assert names(backend, id)[-1] == "Crashed"
    assert claim(backend, current_process()) == []
    record(backend, far, snapshot(id, COMPLETED, lost.attempt, 2, 2))
    assert names(backend, id)[-1] == "Crashed"


def test_a_process_that_ends_in_order_leaves_its_runs_to_others(backend: StoreBackend) -> None:
    id, me = ask(backend), elsewhere()
    claim(backend, me)
    backend.end_process(me.id)
    assert [each.task_run_id for each in claim(backend, current_process())] == [id]
