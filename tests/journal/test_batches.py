"""How much goes into one batch."""

from __future__ import annotations

from tests.store.make import Run

from dalsegno._journal.batches import in_parts
from dalsegno.model.ids import new_id
from dalsegno.model.records import ResultBlob


def test_a_batch_of_a_usual_size_stays_one() -> None:
    run = Run()
    batch = run.batch(task_runs=[run.task_run()], logs=[run.log("begins")], blobs=[ResultBlob(new_id(), run.id, b"x")])
    assert in_parts(batch, 1000) == [batch]


def test_large_results_and_many_lines_go_before_the_runs_in_batches_of_their_own() -> None:
    run = Run()
    blobs = [ResultBlob(new_id(), run.id, bytes(size)) for size in (400, 400, 5000, 100)]
    logs = [run.log("x" * 300) for _ in range(5)]
    batch = run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run()], blobs=blobs, logs=logs, durable=True)
    *parts, last = in_parts(batch, 1000)
    assert [len(part.blobs) for part in parts if part.blobs] == [2, 1, 1]
    assert [blob for part in parts for blob in part.blobs] == blobs
    assert [line for part in parts for line in part.logs] == logs
    assert all(part.attempts == batch.attempts and part.process == batch.process for part in parts)
    assert (last.blobs, last.logs, last.durable) == ([], [], True)
    assert (last.flow_runs, last.task_runs, last.tasks) == (batch.flow_runs, batch.task_runs, batch.tasks)
