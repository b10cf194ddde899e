"""Deployments, schedules and queues in the store: what is deployed again, what is due, and who gets which run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dalsegno._backend.embedded import StoreBackend
from dalsegno._processes import current_process
from dalsegno._services import scheduler
from dalsegno._store import ticking, workers
from dalsegno.exceptions import InvalidParameters, InvalidRequest, ObjectNotFound
from dalsegno.model.deployments import (
    CodeSource,
    DeploymentChange,
    DeploymentRun,
    DeploymentSpec,
    DeploymentView,
    NewSchedule,
)
from dalsegno.model.ids import new_id
from dalsegno.model.pools import NewPool, NewQueue, PoolChange, QueueChange, WorkerRecord
from dalsegno.model.queue import ClaimRuns
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import Page, RunFilter

SECOND = 1_000_000


def spec_of(name: str = "nightly", **more: Any) -> DeploymentSpec:
    return DeploymentSpec(
        flow_name="etl", name=name, source=CodeSource(entrypoint="etl.py:etl", path="/srv/etl"), **more
    )


@pytest.fixture
def pool(backend: StoreBackend) -> str:
    return backend.create_pool(NewPool(name="machines")).name


def claim(backend: StoreBackend, limit: int = 1, **more: Any) -> list[bytes]:
    asked = ClaimRuns(process=current_process(), holder="a worker", limit=limit, **({"pool": "machines"} | more))
    return [run.flow_run_id for run in backend.claim_runs(asked)]


def run_of(backend: StoreBackend, deployment: DeploymentView, **more: Any) -> bytes:
    return backend.request_deployment_run(DeploymentRun(deployment_id=deployment.id, **more)).flow_run_id


# --- deploying


def test_what_was_changed_by_hand_outlasts_the_next_deploying(backend: StoreBackend) -> None:
    first = backend.apply_deployment(spec_of(tags=["a"], parameters={"day": 1}, priority=1))
    backend.update_deployment(first.id, DeploymentChange(tags=["by hand"], paused=True, priority=5))
    again = backend.apply_deployment(spec_of(tags=["a"], parameters={"day": 2}, priority=2))
    assert (again.id, again.version_number) == (first.id, 2)
    # Changed by hand and not in the code: the hand's. Changed in both: the code's, but for the pause.
    assert (again.spec.tags, again.spec.priority, again.spec.paused) == (["by hand"], 2, True)
    assert again.spec.parameters == {"day": 2}
    assert again.changed_by_hand == ["tags", "paused"]


def test_deploying_the_same_twice_makes_no_version(backend: StoreBackend) -> None:
    backend.apply_deployment(spec_of())
    assert backend.apply_deployment(spec_of()).version_number == 1


def test_a_deployment_goes_back_to_a_version(backend: StoreBackend) -> None:
    first = backend.apply_deployment(spec_of(version="1", tags=["old"]))
    backend.apply_deployment(spec_of(version="2", tags=["new"]))
    back = backend.roll_back_deployment(first.id, 1)
    assert (back.version_number, back.spec.version, back.spec.tags) == (3, "1", ["old"])
    assert [each.number for each in backend.list_deployment_versions(first.id)] == [3, 2, 1]
    with pytest.raises(ObjectNotFound, match="no version 9. It has: 3, 2, 1"):
        backend.roll_back_deployment(first.id, 9)


def test_a_pool_that_is_not_there_is_named_with_what_makes_it(backend: StoreBackend, pool: str) -> None:
    with pytest.raises(ObjectNotFound, match=r"no work pool 'nowhere' \(there are: 'machines'\)"):
        backend.apply_deployment(spec_of(work_pool_name="nowhere"))


def test_schedules_keep_what_was_done_by_hand(backend: StoreBackend) -> None:
    every, night = ScheduleSpec(interval=60, slug="often"), ScheduleSpec(cron="0 3 * * *")
    made = backend.apply_deployment(spec_of(schedules=[every, night]))
    often, nightly = made.schedules
    backend.update_schedule(often.id, msgspec.structs.replace(often.spec, active=False))
    mine = backend.create_schedule(NewSchedule(deployment_id=made.id, spec=ScheduleSpec(interval=5)))
    again = backend.apply_deployment(spec_of(schedules=[ScheduleSpec(interval=90, slug="often")]))
    assert {each.id: (each.spec.interval, each.spec.active) for each in again.schedules} == {
        often.id: (90, False),
        mine.id: (5, True),
    }
    assert nightly.id not in {each.id for each in again.schedules}
    assert next(each for each in again.schedules if each.id == often.id).next_tick is None


def test_a_schedule_that_cannot_be_is_refused_with_what_is_wrong(backend: StoreBackend) -> None:
    with pytest.raises(InvalidRequest, match="61"):
        backend.apply_deployment(spec_of(schedules=[ScheduleSpec(cron="61 * * * *")]))
    assert backend.find_deployment("etl", "nightly") is None


# --- asking for runs


def test_a_run_has_the_deployments_parameters_and_its_own(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(parameters={"a": 1, "b": 2}, tags=["t"], work_pool_name=pool))
    id = run_of(backend, made, parameters={"b": 3}, tags=["mine"], name="mine")
    view = backend.read_flow_run(id)
    assert view is not None
    assert (view.name, view.parameters_text, view.tags) == ("mine", '{"a":1,"b":3}', ("t", "mine"))
    assert view.state.name == "Scheduled"


def test_the_same_wish_is_granted_once(backend: StoreBackend) -> None:
    made = backend.apply_deployment(spec_of())
    asked = DeploymentRun(deployment_id=made.id, idempotency_key="order 17")
    first, second = backend.request_deployment_run(asked), backend.request_deployment_run(asked)
    assert (first.created, second.created) == (True, False)
    assert first.flow_run_id == second.flow_run_id


def test_parameters_that_do_not_fit_are_named(backend: StoreBackend) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "integer"}}, "required": ["day"]}
    made = backend.apply_deployment(spec_of(parameter_schema=schema))
    with pytest.raises(InvalidParameters, match="day: 'x' is not of type 'integer'; other: there is no such"):
        run_of(backend, made, parameters={"day": "x", "other": 1})
    with pytest.raises(InvalidParameters, match="'day' is a required property"):
        run_of(backend, made)


def test_what_waits_of_a_deployment_that_is_deleted_is_cancelled(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made)
    assert backend.delete_deployment(made.id)
    view = backend.read_flow_run(id)
    assert view is not None
    assert view.state.name == "Cancelled"
    assert claim(backend) == []


# --- ticks


def test_a_tick_makes_one_run_however_many_look(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(
        spec_of(work_pool_name=pool, schedules=[ScheduleSpec(interval=60, parameters={"day": 7})])
    )
    (schedule,) = made.schedules
    assert schedule.next_tick is not None
    now = schedule.next_tick + SECOND
    runs = [
        id
        for _ in range(3)
        for id in backend.database.write(lambda connection: ticking.tick(connection, schedule.id, now))
    ]
    assert len(runs) == 1
    view = backend.read_flow_run(runs[0])
    assert view is not None
    assert view.parameters_text == '{"day":7}'
    assert backend.read_deployment(made.id).schedules[0].next_tick == schedule.next_tick + 60 * SECOND


def test_a_paused_deployment_does_not_tick_and_catches_nothing_up(backend: StoreBackend) -> None:
    made = backend.apply_deployment(spec_of(schedules=[ScheduleSpec(interval=60)]))
    paused = backend.update_deployment(made.id, DeploymentChange(paused=True))
    assert paused.schedules[0].next_tick is None
    resumed = backend.update_deployment(made.id, DeploymentChange(paused=False))
    assert (resumed.schedules[0].next_tick or 0) > backend.database.now()


# --- who gets which run


def test_queues_go_by_their_priority_and_runs_by_theirs(backend: StoreBackend, pool: str) -> None:
    backend.create_queue(NewQueue(work_pool_name=pool, name="urgent", priority=0))
    slow = backend.apply_deployment(spec_of("slow", work_pool_name=pool))
    fast = backend.apply_deployment(spec_of("fast", work_pool_name=pool, work_queue_name="urgent"))
    one, two, three = run_of(backend, slow), run_of(backend, slow, priority=3), run_of(backend, fast)
    assert [claim(backend), claim(backend), claim(backend), claim(backend)] == [[three], [two], [one], []]


def test_runs_of_a_queue_that_is_deleted_go_on_in_the_default_one(backend: StoreBackend, pool: str) -> None:
    backend.create_queue(NewQueue(work_pool_name=pool, name="special"))
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made, work_queue_name="special")
    assert claim(backend, queues=["default"]) == []
    assert backend.delete_queue(pool, "special")
    assert claim(backend, queues=["default"]) == [id]
    with pytest.raises(InvalidRequest, match="Deployment 'etl/nightly' uses the work pool 'machines'"):
        backend.delete_pool(pool)


@pytest.mark.parametrize("what", ["pool", "queue", "deployment"])
def test_nothing_starts_beyond_a_limit(backend: StoreBackend, pool: str, what: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool, concurrency_limit=2 if what == "deployment" else None))
    if what == "pool":
        backend.update_pool(pool, PoolChange(concurrency_limit=2))
    if what == "queue":
        backend.update_queue(pool, "default", QueueChange(concurrency_limit=2))
    runs = [run_of(backend, made) for _ in range(4)]
    taken = claim(backend, 10)
    assert taken == runs[:2]
    assert claim(backend, 10) == []
    assert "at its limit of 2: held by" in backend.explain_wait(runs[2]).reasons[0]
    backend.crash_attempt(taken[0], 1, "killed")
    assert claim(backend, 10) == [runs[2]]


def test_a_limit_holds_for_each_key_and_keys_are_served_in_turn(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(
        spec_of(work_pool_name=pool, concurrency_limit=2, concurrency_key="{{ parameters.customer }}")
    )
    big = [run_of(backend, made, parameters={"customer": "big"}) for _ in range(5)]
    small = [run_of(backend, made, parameters={"customer": "small"}) for _ in range(2)]
    assert claim(backend, 2) == [big[0], small[0]]
    assert sorted(claim(backend, 10)) == sorted([big[1], small[1]])
    assert claim(backend, 10) == []


def test_a_full_deployment_does_not_hold_up_what_waits_behind_it(backend: StoreBackend, pool: str) -> None:
    full = backend.apply_deployment(spec_of("full", work_pool_name=pool, concurrency_limit=1))
    other = backend.apply_deployment(spec_of("other", work_pool_name=pool))
    for _ in range(300):
        run_of(backend, full)
    last = run_of(backend, other)
    assert last in claim(backend, 2)


def test_what_is_too_much_is_cancelled_where_the_deployment_says_so(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool, concurrency_limit=1, collision_strategy="CANCEL_NEW"))
    runs = [run_of(backend, made) for _ in range(3)]
    assert claim(backend, 10) == [runs[0]]
    states = [view.state.name for view in map(backend.read_flow_run, runs) if view is not None]
    assert states == ["Pending", "Cancelled", "Cancelled"]


def test_the_one_that_runs_is_cancelled_where_the_deployment_says_so(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(
        spec_of(work_pool_name=pool, concurrency_limit=1, collision_strategy="CANCEL_RUNNING")
    )
    first, second = run_of(backend, made), run_of(backend, made)
    assert claim(backend) == [first]
    assert claim(backend) == []
    receipt = backend.renew_leases(current_process().id, {first: 1})
    assert receipt.cancel == [first]
    assert backend.explain_wait(second).reasons


def test_a_start_rate_spaces_what_starts(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool, start_rate=1.0))
    first, second = run_of(backend, made), run_of(backend, made)
    assert claim(backend, 5) == [first]
    assert claim(backend, 5) == []
    assert "by its start rate" in backend.explain_wait(second).reasons[0]


def test_paused_pools_and_queues_hand_nothing_out(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made)
    backend.update_pool(pool, PoolChange(paused=True))
    assert claim(backend) == []
    backend.update_pool(pool, PoolChange(paused=False))
    backend.update_queue(pool, "default", QueueChange(paused=True))
    assert claim(backend) == []
    reasons = backend.explain_wait(id).reasons
    assert reasons[0] == "Work queue 'default' of pool 'machines' is paused."
    assert reasons[1] == "Pool 'machines' has no worker: `dalsegno worker start --pool machines` starts one."


def test_runs_of_no_pool_are_for_whoever_serves_their_deployment(backend: StoreBackend) -> None:
    served, other = backend.apply_deployment(spec_of("served")), backend.apply_deployment(spec_of("other"))
    mine, theirs = run_of(backend, served), run_of(backend, other)
    assert claim(backend, 5, pool=None) == []
    assert claim(backend, 5, pool=None, deployments=[served.id]) == [mine]
    assert backend.explain_wait(theirs).reasons == ["Nobody serves its deployment: start the script that does."]


def test_a_claim_says_what_its_worker_has_to_know(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool, job_variables={"env": {"A": "1"}, "x": 1}))
    run_of(backend, made, job_variables={"x": 2})
    (run,) = backend.claim_runs(ClaimRuns(process=current_process(), holder="a worker", pool=pool))
    assert run.deployment is not None
    assert (run.deployment.name, run.deployment.version_number) == ("nightly", 1)
    assert run.deployment.job_variables == {"env": {"A": "1"}, "x": 2}
    assert run.deployment.source.entrypoint == "etl.py:etl"


# --- workers and lateness


def test_a_deployment_is_ready_while_a_worker_of_its_pool_is_there(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    assert made.status == "NOT_READY"
    process = current_process()
    worker = WorkerRecord(
        process_id=process.id, name="w", type="process", work_pool_name=pool, host="here", pid=1, version="1"
    )
    backend.worker_heartbeat(worker)
    assert backend.read_deployment(made.id).status == "READY"
    assert [each.worker.name for each in backend.list_workers(pool)] == ["w"]
    backend.worker_gone(process.id)
    assert backend.read_deployment(made.id).status == "NOT_READY"


def test_what_waits_for_long_is_late_and_runs_all_the_same(backend: StoreBackend, pool: str) -> None:

    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made)
    now = backend.database.now()
    scheduler.tick(backend.database, 15.0, now + 10 * SECOND)
    assert backend.list_flow_runs(RunFilter(ids=[id]), Page())[0].state.name == "Scheduled"
    scheduler.tick(backend.database, 15.0, now + 20 * SECOND)
    scheduler.tick(backend.database, 15.0, now + 30 * SECOND)
    view = backend.read_flow_run(id)
    assert view is not None
    assert [state.name for state in view.states or ()] == ["Scheduled", "Late"]
    assert claim(backend) == [id]


def test_only_heartbeats_that_say_something_new_are_news(backend: StoreBackend, pool: str) -> None:
    record = WorkerRecord(
        process_id=new_id(), name="w", type="process", work_pool_name=pool, host="box", pid=7, version="1"
    )

    def heard(worker: WorkerRecord, now: int, lease: int = 10) -> bool:
        return backend.database.write(lambda connection: workers.heard_of(connection, worker, lease, now))

    busy = msgspec.structs.replace(record, running=1)
    assert [heard(record, 100), heard(record, 105), heard(busy, 106), heard(busy, 107)] == [True, False, True, False]
    # It had been gone for a while.
    assert heard(busy, 200)


def test_runs_are_found_by_their_deployment_and_name_it(backend: StoreBackend) -> None:
    made, other = backend.apply_deployment(spec_of()), backend.apply_deployment(spec_of("other"))
    mine = [run_of(backend, made) for _ in range(3)]
    run_of(backend, other)
    found = backend.list_flow_runs(RunFilter(deployment_ids=[made.id]), Page(oldest_first=True))
    assert [run.id for run in found] == mine
    assert {(run.deployment_id, run.deployment_name) for run in found} == {(made.id, "nightly")}
    one = backend.read_flow_run(mine[0])
    assert one is not None
    assert (one.deployment_name, one.task_run_counts) == ("nightly", {})


def test_many_keys_that_are_full_hold_nothing_up(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(
        spec_of(work_pool_name=pool, concurrency_limit=1, concurrency_key="{{ parameters.customer }}")
    )
    for number in range(1200):
        run_of(backend, made, parameters={"customer": number})
    assert len(claim(backend, 1000)) == 1000
    again = [run_of(backend, made, parameters={"customer": number}) for number in range(50)]
    last = run_of(backend, made, parameters={"customer": "new"})
    assert last in claim(backend, 1000)
    assert claim(backend, 1000) == []
    assert len(again) == 50


def test_one_run_that_waits_has_one_that_runs_cancelled(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(
        spec_of(work_pool_name=pool, concurrency_limit=3, collision_strategy="CANCEL_RUNNING")
    )
    runs = [run_of(backend, made) for _ in range(4)]
    assert claim(backend, 3) == runs[:3]
    for _ in range(3):
        assert claim(backend) == []
    held = dict.fromkeys(runs[:3], 1)
    assert backend.renew_leases(current_process().id, held).cancel == [runs[0]]


def test_a_schedule_that_cannot_be_kept_holds_up_no_other(
    backend: StoreBackend, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        backend.apply_deployment(spec_of(name, work_pool_name=pool, schedules=[ScheduleSpec(interval=60)]))
        for name in ("bad", "good")
    ]
    bad, good = (each.schedules[0] for each in made)
    real = ticking.tick

    def tick(connection: Any, id: bytes, now: int) -> list[bytes]:
        if id == bad.id:
            raise OverflowError("too large")
        return real(connection, id, now)

    monkeypatch.setattr(ticking, "tick", tick)
    assert good.next_tick is not None
    scheduler.tick(backend.database, 15.0, good.next_tick + 70 * SECOND)
    assert len(backend.list_flow_runs(RunFilter(), Page())) >= 1
    stopped = backend.read_deployment(made[0].id)
    assert stopped.schedules[0].next_tick is None
    assert "was stopped: OverflowError: too large" in (stopped.problem or "")


def test_what_is_executed_of_a_deployment_that_is_deleted_is_not_recovered(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made)
    assert claim(backend) == [id]
    assert backend.delete_deployment(made.id)
    with pytest.raises(InvalidRequest, match="Runs of work pool 'machines' wait or are executed"):
        backend.delete_pool(pool)
    assert backend.crash_attempt(id, 1, "killed")
    assert claim(backend) == []
    view = backend.read_flow_run(id)
    assert view is not None
    assert view.state.name == "Crashed"
    assert backend.delete_pool(pool)


@pytest.mark.parametrize(
    "wrong", [{"priority": 2**40}, {"recovery_delay": 1e300}, {"max_recoveries": -1}, {"concurrency_limit": 2**40}]
)
def test_numbers_that_cannot_be_are_refused(backend: StoreBackend, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot be"):
        backend.apply_deployment(spec_of(**wrong))


def test_whoever_claims_a_run_is_told_when_it_was_first_due(backend: StoreBackend, pool: str) -> None:
    made = backend.apply_deployment(spec_of(work_pool_name=pool))
    id = run_of(backend, made, due=SECOND)
    asked = ClaimRuns(process=current_process(), holder="a worker", limit=1, pool=pool)
    (first,) = backend.claim_runs(asked)
    assert backend.give_back({id: first.attempt}) == 1
    (again,) = backend.claim_runs(asked)
    for run in (first, again):
        assert run.deployment is not None
        assert run.deployment.scheduled_time == SECOND
