"""Batches are applied once, in any order, and only if their attempt is the newest."""

from __future__ import annotations

from tests.store.make import (
    CLEAN,
    COMPLETED,
    CRASHED,
    FAILED,
    NIGHTLY,
    PENDING,
    RUNNING,
    Run,
    many_task_runs,
    now,
)

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import new_id
from dalsegno.model.records import ArtifactRecord, ResultBlob
from dalsegno.model.states import pack_states
from dalsegno.model.views import OpenRun, Page, RunFilter


def test_what_was_delivered_can_be_read(backend: StoreBackend) -> None:
    run = Run()
    task_run = run.task_run(name="clean orders")
    backend.deliver(run.batch(flow_runs=[run.flow_run(tags=("daily",))], task_runs=[task_run]))

    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.flow_name, seen.name, seen.tags, seen.state.name) == (
        "nightly",
        "brave-otter",
        ("daily",),
        "Running",
    )
    assert seen.task_run_counts == {"Completed": 1}
    assert seen.process == run.process
    of_task = backend.read_task_run(task_run.id)
    assert of_task is not None
    assert (of_task.root_run_id, of_task.flow_run_id) == (run.id, run.id)
    assert (of_task.task_key, of_task.name, of_task.tags) == ("shop.clean", "clean orders", ("nightly",))
    assert (of_task.start_time, of_task.end_time) == (task_run.start_time, task_run.end_time)
    assert of_task.result == task_run.result
    assert of_task.fingerprint == task_run.fingerprint


def test_a_batch_that_comes_twice_changes_nothing(backend: StoreBackend) -> None:
    run = Run()
    batch = run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 700), logs=[run.log("once")])
    backend.deliver(batch)
    before = backend.read_task_run(batch.task_runs[3].id), backend.read_flow_run(run.id)
    backend.deliver(batch)
    assert (backend.read_task_run(batch.task_runs[3].id), backend.read_flow_run(run.id)) == before
    assert backend.count_task_runs(RunFilter()) == {"Completed": 700}
    assert [line.message for line in backend.list_logs(flow_run_id=run.id)] == ["once"]


def test_an_older_picture_never_replaces_a_newer_one(backend: StoreBackend) -> None:
    run = Run()
    older = run.task_run(RUNNING)
    newer = run.task_run(COMPLETED, id=older.id, first=1)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[newer]))
    backend.deliver(run.batch(task_runs=[older]))
    seen = backend.read_task_run(older.id)
    assert seen is not None
    assert seen.state.name == "Completed"


def test_the_history_of_a_run_grows_with_each_batch(backend: StoreBackend) -> None:
    run = Run()
    id = new_id()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run(PENDING, id=id)]))
    backend.deliver(run.batch(task_runs=[run.task_run(RUNNING, id=id, first=1)]))
    backend.deliver(run.batch(task_runs=[run.task_run(COMPLETED, id=id, first=2)]))
    seen = backend.read_task_run(id)
    assert seen is not None
    assert seen.states is not None
    assert [state.name for state in seen.states] == ["Pending", "Running", "Completed"]


def test_histories_are_kept_to_the_byte(backend: StoreBackend) -> None:
    """Chunks hold every byte from 0 to 255; putting them together must change none."""
    run = Run()
    id = new_id()
    message = "".join(chr(code) for code in (0, 9, 127, 128, 255, 0x4E00, 0x1F600))
    for position in range(3):
        states = pack_states(1, position, 0, [(RUNNING, position * 0xFF00FF00FF, None, message)])
        backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run(RUNNING, id=id, states=states)]))
    seen = backend.read_task_run(id)
    assert seen is not None
    assert [state.message for state in seen.states or []] == [message] * 3


def test_a_fenced_attempt_writes_nothing(backend: StoreBackend) -> None:
    run = Run()
    kept = run.task_run(RUNNING)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)], task_runs=[kept]))
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))
    assert opened.attempt == 2

    late = run.task_run(COMPLETED, id=kept.id, first=1)
    new = run.task_run()
    artifact = ArtifactRecord(
        id=new_id(),
        type="markdown",
        key=None,
        data='"x"',
        description=None,
        root_run_id=run.id,
        flow_run_id=run.id,
        task_run_id=None,
        created=now(),
        updated=now(),
    )
    blob = ResultBlob(new_id(), run.id, b"data")
    receipt = backend.deliver(
        run.batch(
            flow_runs=[run.flow_run(COMPLETED)],
            task_runs=[late, new],
            logs=[run.log("late")],
            artifacts=[artifact],
            blobs=[blob],
        )
    )
    assert receipt.fenced == [run.id]
    assert backend.count_task_runs(RunFilter()) == {"Running": 1}
    assert backend.list_logs(flow_run_id=run.id) == []
    assert backend.read_artifact(artifact.id) is None
    assert backend.read_blob(blob.id) is None
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.attempt, seen.state.name) == (2, "Pending")


def test_one_fenced_run_does_not_hold_up_the_others_of_its_batch(backend: StoreBackend) -> None:
    fenced, other = Run(), Run()
    backend.deliver(fenced.batch(flow_runs=[fenced.flow_run(FAILED)]))
    backend.open_run(OpenRun(flow_run_id=fenced.id, process=fenced.process))
    receipt = backend.deliver(
        other.batch(
            attempts={fenced.id: 1, other.id: 1},
            flow_runs=[fenced.flow_run(COMPLETED), other.flow_run(COMPLETED)],
        )
    )
    assert receipt.fenced == [fenced.id]
    seen = backend.read_flow_run(other.id)
    assert seen is not None
    assert seen.state.name == "Completed"


def test_the_batches_of_a_new_attempt_are_newer_than_all_before(backend: StoreBackend) -> None:
    run = Run(version=900)
    task_run = run.task_run(FAILED)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)], task_runs=[task_run]))
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))
    again = Run(id=run.id, attempt=opened.attempt)
    backend.deliver(again.batch(flow_runs=[again.flow_run(COMPLETED)], task_runs=[again.task_run(id=task_run.id)]))
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.task_run_counts == {"Completed": 1}
    assert [(state.attempt, state.name) for state in seen.states or []] == [(1, "Failed"), (2, "Completed")]


def test_a_run_that_was_deleted_is_fenced(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    backend.end_process(run.process.id)
    assert backend.delete_flow_run(run.id)
    receipt = backend.deliver(run.batch(recorded=[run.id], task_runs=[run.task_run()]))
    assert receipt.fenced == [run.id]
    assert backend.count_task_runs(RunFilter()) == {}


def test_task_runs_may_come_before_their_flow_run(backend: StoreBackend) -> None:
    run = Run()
    task_run = run.task_run()
    backend.deliver(run.batch(task_runs=[task_run]))
    seen = backend.read_task_run(task_run.id)
    assert seen is not None
    assert seen.flow_run_id == run.id
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    whole = backend.read_flow_run(run.id)
    assert whole is not None
    assert (whole.flow_name, whole.state.name, whole.task_run_counts) == (
        NIGHTLY.name,
        "Completed",
        {"Completed": 1},
    )


def test_a_batch_of_any_size_is_applied_whole(backend: StoreBackend) -> None:
    run = Run()
    task_runs = many_task_runs(run, 10_001)
    logs = [run.log(f"line {nonce}", nonce=nonce, timestamp=5) for nonce in range(9000)]
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=task_runs, logs=logs))
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.task_run_counts == {"Completed": 10_001}
    assert seen.state.name == "Completed"
    assert len(backend.list_logs(flow_run_id=run.id, limit=20_000)) == 9000


def test_task_runs_that_were_not_come_to_again_are_marked(backend: StoreBackend) -> None:
    run = Run()
    gone, kept = run.task_run(), run.task_run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)], task_runs=[gone, kept]))
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=run.process))
    again = Run(id=run.id, attempt=opened.attempt)
    backend.deliver(again.batch(flow_runs=[again.flow_run(COMPLETED)], superseded=[gone.id]))
    marks = {task_run.id: task_run.superseded_by for task_run in backend.list_task_runs(RunFilter(), Page())}
    assert marks == {gone.id: 2, kept.id: None}
    assert [task_run.id for task_run in backend.list_task_runs(RunFilter(include_superseded=False), Page())] == [
        kept.id
    ]
    assert {entry.id: entry.superseded for entry in backend.replay_entries(run.id, None, 10)} == {
        gone.id: True,
        kept.id: False,
    }


def test_a_task_outside_flows_is_its_own_root(backend: StoreBackend) -> None:
    run = Run()
    outer = new_id()
    inner = run.task_run(root_run_id=outer, flow_run_id=None, parent_task_run_id=outer)
    whole = run.task_run(id=outer, root_run_id=outer, flow_run_id=None)
    backend.deliver(run.batch(attempts={outer: 1}, task_runs=[whole, inner]))
    seen = [backend.read_task_run(id) for id in (outer, inner.id)]
    assert [(view.root_run_id, view.flow_run_id) for view in seen if view] == [(outer, None), (outer, None)]
    assert [(entry.id, entry.scope_id) for entry in backend.replay_entries(outer, None, 10)] == [(inner.id, outer)]
    assert CLEAN.name in {view.task_name for view in seen if view}


def test_a_receipt_says_who_is_to_be_cancelled_until_it_is_answered(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert backend.request_cancel(run.id)
    assert backend.deliver(run.batch(task_runs=[run.task_run()])).cancel == [run.id]
    assert backend.heartbeat(run.process.id, {run.id: 1}).cancel == [run.id]
    backend.deliver(run.batch(flow_runs=[run.flow_run(CRASHED)]))
    assert backend.deliver(run.batch(logs=[run.log("end")])).cancel == []
    assert not backend.request_cancel(run.id)
