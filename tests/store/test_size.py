"""A trivial task run costs at most 300 bytes of file, with every index."""

from __future__ import annotations

import os
from pathlib import Path

from tests.store.make import COMPLETED, Run, many_task_runs

from dalsegno._backend.embedded import StoreBackend

ROWS = 100_000


def test_a_trivial_task_run_takes_at_most_300_bytes(path: Path) -> None:
    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    for _ in range(ROWS // 4000):
        backend.deliver(run.batch(task_runs=many_task_runs(run, 4000)))
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    backend.close()
    assert os.path.getsize(path) / ROWS <= 300


def test_task_runs_that_end_later_than_they_began_take_no_more(path: Path) -> None:
    """Two deliveries for each: the row is updated, and grows."""
    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    for _ in range(5):
        ends = many_task_runs(run, 4000)
        starts = [run.task_run(3, id=end.id, task_id=end.task_id, version=1, upstream=end.upstream) for end in ends]
        backend.deliver(run.batch(task_runs=starts))
        backend.deliver(run.batch(task_runs=ends))
    backend.close()
    assert os.path.getsize(path) / 20_000 <= 340
