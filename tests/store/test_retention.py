"""A deleted run leaves nothing behind; what is past its age goes slice by slice, and the file shrinks."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, Run, many_task_runs, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.connection import Connection
from dalsegno._store.retention import Slices
from dalsegno.model.ids import new_id
from dalsegno.model.records import ArtifactRecord, ResultBlob
from dalsegno.model.results import StoredResult, pack_stored
from dalsegno.model.views import Page, RunFilter

_DAY = 86_400
_MEGABYTE = 1_000_000
_TABLES = ("flow_run", "task_run", "log", "artifact", "result_blob")


def old_id(days: float) -> bytes:
    return new_id(time.time_ns() - round(days * _DAY * 1e9))


def fill(backend: StoreBackend, folder: Path, days: float, task_runs: int = 50) -> tuple[Run, Path]:
    """Record a run that ended some days ago, with everything that a run can have."""
    moment = now() - round(days * _DAY * 1e6)
    run = Run(id=old_id(days))
    nested = Run(id=old_id(days), root=run.id, parent=run.id)
    file = folder / run.id.hex() / f"{run.id.hex()}-1.result"
    file.parent.mkdir()
    file.write_bytes(b"large")
    kept = pack_stored(StoredResult(serializer="pickle", size=5, url=f"file://{file}"))
    artifact = ArtifactRecord(
        id=new_id(),
        type="markdown",
        key=None,
        data="1",
        description=None,
        root_run_id=run.id,
        flow_run_id=run.id,
        task_run_id=None,
        created=moment,
        updated=moment,
    )
    backend.deliver(
        run.batch(
            flow_runs=[run.flow_run(COMPLETED, end_time=moment), nested.flow_run(COMPLETED, end_time=moment)],
            task_runs=[*many_task_runs(run, task_runs), run.task_run(result=kept), nested.task_run()],
            logs=[run.log(str(nonce), timestamp=moment, nonce=nonce) for nonce in range(task_runs)],
            artifacts=[artifact],
            blobs=[ResultBlob(new_id(), run.id, b"data")],
        )
    )
    return run, file


def rows(backend: StoreBackend) -> dict[str, int]:
    def count(connection: sqlite3.Connection) -> dict[str, int]:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _TABLES]
        return dict(zip(_TABLES, counts, strict=True))

    return backend.database.read(count)


def test_a_deleted_run_leaves_nothing_behind(backend: StoreBackend, tmp_path: Path) -> None:
    kept, kept_file = fill(backend, tmp_path, 0)
    before = rows(backend)
    run, file = fill(backend, tmp_path, 0, task_runs=4500)
    assert backend.delete_flow_run(run.id)
    assert rows(backend) == before
    assert not file.parent.exists()
    assert kept_file.exists()
    assert [each.id for each in backend.list_flow_runs(RunFilter(top_level=True), Page())] == [kept.id]


def test_a_file_outside_the_folder_of_its_run_is_left_alone(backend: StoreBackend, tmp_path: Path) -> None:
    """A person who names the file of a result may name the same one in many runs."""
    file = tmp_path / "report"
    file.write_text("shared")
    kept = pack_stored(StoredResult(serializer="pickle", size=6, url=f"file://{file}"))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=[run.task_run(result=kept)]))
    assert backend.delete_flow_run(run.id)
    assert file.exists()


def test_what_is_past_its_age_goes(open_backend: Opener, tmp_path: Path) -> None:
    backend = open_backend(runs_age=90.0 * _DAY, logs_age=30.0 * _DAY)
    fill(backend, tmp_path, 1)
    younger = rows(backend)
    fill(backend, tmp_path, 40)
    _, file = fill(backend, tmp_path, 100)
    outside = Run()
    alone = old_id(100)
    backend.deliver(
        outside.batch(attempts={alone: 1}, task_runs=[outside.task_run(id=alone, root_run_id=alone, flow_run_id=None)])
    )
    while backend.clean_up():
        pass
    assert rows(backend) == {table: count if table == "log" else 2 * count for table, count in younger.items()}
    assert not file.exists()
    assert backend.read_task_run(alone) is None


def test_nothing_goes_where_everything_is_kept(open_backend: Opener, tmp_path: Path) -> None:
    backend = open_backend(runs_age=None, logs_age=None)
    fill(backend, tmp_path, 4000)
    before = rows(backend)
    assert backend.clean_up() == 0
    assert rows(backend) == before
    backend.close()


def test_the_file_shrinks_when_runs_go(path: Path, tmp_path: Path) -> None:
    backend = StoreBackend.in_file(str(path), runs_age=1.0 * _DAY, logs_age=None)
    fill(backend, tmp_path, 10, task_runs=8000)
    backend.close()
    before = os.path.getsize(path)
    backend = StoreBackend.in_file(str(path), runs_age=1.0 * _DAY, logs_age=None)
    while backend.clean_up():
        pass
    # Already while it is open, though nobody writes anything more.
    assert os.path.getsize(path) < before / 2
    backend.close()


def test_no_slice_holds_the_write_lock_for_long(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured in rows: a transaction of retention deletes at most a slice."""
    backend = StoreBackend.in_file(str(path), runs_age=1.0 * _DAY, logs_age=1.0 * _DAY)
    fill(backend, tmp_path, 10, task_runs=5000)
    sizes: list[int] = []
    write = backend.database.write

    def measured(work: object, **options: bool) -> object:
        def wrapped(connection: sqlite3.Connection) -> object:
            before = connection.total_changes
            result = work(connection)  # type: ignore[operator]
            sizes.append(connection.total_changes - before)
            return result

        return write(wrapped, **options)

    monkeypatch.setattr(backend.database, "write", measured)
    while backend.clean_up():
        pass
    assert sum(sizes) > 10_000
    assert max(sizes) <= 2000
    backend.close()


@pytest.mark.parametrize("prefix", ["file://{folder}/", "dalsegno://results/"])
def test_whoever_records_a_run_cannot_have_other_files_deleted(
    backend: StoreBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("DALSEGNO_RESULTS_STORAGE", str(tmp_path))
    run = Run()
    (tmp_path / run.id.hex()).mkdir()
    precious = tmp_path / "precious"
    precious.write_bytes(b"all there is")
    url = f"{prefix.format(folder=tmp_path)}{run.id.hex()}/../precious"
    kept = pack_stored(StoredResult(serializer="pickle", size=6, url=url))
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=[run.task_run(result=kept)]))
    assert backend.delete_flow_run(run.id)
    assert precious.exists()


def deleted_at_once(backend: StoreBackend, seconds_a_row: float, slices: int) -> list[int]:
    """Return how many rows each of some transactions may delete, where each row takes so long."""
    seconds, asked = 0.0, []

    def work(connection: Connection, rows: int) -> None:
        nonlocal seconds
        asked.append(rows)
        seconds += rows * seconds_a_row

    deleting = Slices(backend.database, lambda: seconds)
    for _ in range(slices):
        deleting.delete(work)
    return asked


def test_small_rows_go_two_thousand_at_once(backend: StoreBackend) -> None:
    assert deleted_at_once(backend, 0.000_005, 5) == [500, 1000, 2000, 2000, 2000]


def test_rows_that_take_long_go_a_few_at_once(backend: StoreBackend) -> None:
    assert max(deleted_at_once(backend, 0.001, 30)[5:]) * 0.001 < 0.05


def test_a_row_that_takes_longer_than_any_transaction_should_goes_alone(backend: StoreBackend) -> None:
    assert deleted_at_once(backend, 1.0, 12)[-2:] == [1, 1]


def test_a_run_with_many_large_results_goes_as_a_whole(backend: StoreBackend) -> None:
    run = Run(id=old_id(100))
    moment = now() - 100 * _DAY * 1_000_000
    blobs = [ResultBlob(new_id(), run.id, bytes(_MEGABYTE)) for _ in range(20)]
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED, end_time=moment)], blobs=blobs))
    while backend.clean_up():
        pass
    assert backend.read_flow_run(run.id) is None
    assert [backend.read_blob(blob.id) for blob in blobs] == [None] * len(blobs)
