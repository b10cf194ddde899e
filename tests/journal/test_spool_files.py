"""Spool files: what is cut off at their end, who may deliver them, and what is kept of what a server refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest
from tests.journal.remote import RemoteStore, Switch
from tests.store.make import COMPLETED, Run

from dalsegno._backend.protocol import Backend
from dalsegno._journal.folder import FENCED, REFUSED, SpoolFolder, read_batches
from dalsegno._journal.frames import Owner
from dalsegno._journal.leftovers import Delivered, deliver_left, take_up_refused
from dalsegno._journal.spool import Spool
from dalsegno._processes import current_process
from dalsegno.exceptions import BackendUnavailable, DiskFull
from dalsegno.model.records import Batch
from dalsegno.model.views import OpenRun, Page, RunFilter

SIZE = 1 << 20


@pytest.fixture
def folder(dalsegno_home: Path, remote: RemoteStore) -> SpoolFolder:
    return SpoolFolder(dalsegno_home, remote.url)


def batches(run: Run, count: int = 3) -> list[Batch]:
    """Return a run's batches: one task run each; the last one ends the run."""
    made = [run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run()])]
    made += [run.batch(process=None, tasks=[], flows=[], task_runs=[run.task_run()]) for _ in range(count - 2)]
    return [*made, run.batch(process=None, flow_runs=[run.flow_run(COMPLETED, first=1)], task_runs=[run.task_run()])]


def leave(folder: SpoolFolder, run: Run, count: int = 3) -> Path:
    """Leave a file as a process does that ends."""
    spool = folder.create(run.process, SIZE)
    for batch in batches(run, count):
        spool.append(batch)
    spool.close()
    return spool.path


def deliver(remote: RemoteStore, folder: SpoolFolder) -> list[Delivered]:
    return deliver_left(cast("Backend", remote), folder, said.append)


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def recorded(remote: RemoteStore) -> int:
    return sum(remote.store.count_task_runs(RunFilter()).values())


def test_what_a_process_left_is_delivered_and_its_file_goes(remote: RemoteStore, folder: SpoolFolder) -> None:
    run = Run()
    path = leave(folder, run, 5)
    assert [file.batches for file in deliver(remote, folder)] == [5]
    view = remote.store.read_flow_run(run.id)
    assert view is not None
    assert (view.state.name, recorded(remote), path.exists()) == ("Completed", 5, False)
    assert deliver(remote, folder) == []


@pytest.mark.parametrize("lost", [1, 7, 8, 9, 100])
def test_an_end_that_was_cut_off_is_left_out_and_said(remote: RemoteStore, folder: SpoolFolder, lost: int) -> None:
    path = leave(folder, Run())
    os.truncate(path, path.stat().st_size - lost)
    (file,) = deliver(remote, folder)
    assert (file.batches, recorded(remote)) == (2, 2)
    assert "its last entry is incomplete; its last" in said[0]
    assert not path.with_suffix(".damaged").exists()


def test_a_damaged_entry_is_kept_with_all_behind_it(remote: RemoteStore, folder: SpoolFolder) -> None:
    path = leave(folder, Run())
    content = bytearray(path.read_bytes())
    content[-20] ^= 0xFF
    path.write_bytes(content)
    (file,) = deliver(remote, folder)
    assert (file.batches, recorded(remote)) == (2, 2)
    assert f"is damaged; its last {path.with_suffix('.damaged').stat().st_size} bytes are left out and kept" in said[0]


def test_a_file_that_is_none_of_ours_is_named_and_left_alone(remote: RemoteStore, folder: SpoolFolder) -> None:
    folder.path.mkdir(parents=True)
    stranger = folder.path / "0.journal"
    stranger.write_text("Dear diary, today nothing happened.")
    leave(folder, Run())
    assert len(deliver(remote, folder)) == 1
    assert said[0] == f"{stranger} cannot be delivered: it is not one of Dalsegno's. Its bytes are left as they are."
    assert stranger.exists()


def test_the_file_of_a_living_process_is_left_alone(remote: RemoteStore, folder: SpoolFolder) -> None:
    spool = folder.create(current_process(), SIZE)
    spool.append(batches(Run())[0])
    assert deliver(remote, folder) == []
    spool.close()
    assert len(deliver(remote, folder)) == 1


def test_the_next_one_goes_on_where_delivery_stopped(remote: RemoteStore, folder: SpoolFolder, switch: Switch) -> None:
    path = leave(folder, Run(), 5)

    def stop_after_two(batch: Batch) -> bool:
        if len(remote.delivered) == 1:
            switch.off()
        return False

    remote.refuses = stop_after_two
    with pytest.raises(BackendUnavailable):
        deliver(remote, folder)
    spool = Spool.take(path)
    assert spool is not None
    assert spool.waiting()[0] == 3
    spool.close()
    switch.on()
    assert [file.batches for file in deliver(remote, folder)] == [3]
    assert (len(remote.delivered), recorded(remote)) == (5, 5)


def test_what_a_fenced_run_did_is_kept_and_can_be_read(remote: RemoteStore, folder: SpoolFolder) -> None:
    run = Run()
    first, *others = batches(run)
    remote.store.deliver(first)
    remote.store.end_process(run.process.id)
    remote.store.open_run(OpenRun(flow_run_id=run.id, process=current_process()))
    spool = folder.create(run.process, SIZE)
    for batch in others:
        spool.append(batch)
    spool.close()
    (file,) = deliver(remote, folder)
    assert file.fenced == [run.id]
    assert file.kept is not None
    assert file.kept.parent.name == FENCED
    assert [len(batch.task_runs) for batch in read_batches(file.kept)] == [1, 1]
    assert f"flow run {remote.store.list_flow_runs(RunFilter(), Page())[0].id.hex()[:8]}" in said[0]
    assert recorded(remote) == 1


def test_what_was_refused_is_put_aside_and_can_be_tried_again(remote: RemoteStore, folder: SpoolFolder) -> None:
    run = Run()
    leave(folder, run, 4)
    remote.refuses = lambda batch: any(flow_run.version == 1 for flow_run in batch.flow_runs)
    (file,) = deliver(remote, folder)
    assert (file.batches, file.refused, recorded(remote)) == (3, 1, 3)
    assert len(folder.refused()) == 1
    remote.refuses = lambda _: False
    take_up_refused(folder, said.append)
    assert [file.batches for file in deliver(remote, folder)] == [1]
    assert folder.refused() == []
    assert recorded(remote) == 4
    view = remote.store.read_flow_run(run.id)
    assert view is not None
    assert view.state.name == "Completed"


def test_a_full_disk_is_said_and_what_is_there_stays_whole(
    remote: RemoteStore, folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    first, second, last = batches(run)
    spool = folder.create(run.process, SIZE)
    spool.append(first)
    write = os.pwrite

    def half_of_it(handle: int, content: memoryview, position: int) -> int:
        if position == spool_end:
            return write(handle, content[: len(content) // 2], position)
        raise OSError(28, "No space left on device")

    spool_end = spool.path.stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half_of_it)
        with pytest.raises(DiskFull, match="There is no room left for"):
            spool.append(second)
    assert spool.path.stat().st_size == spool_end
    spool.append(second)
    spool.append(last)
    spool.close()
    assert [file.batches for file in deliver(remote, folder)] == [3]
    assert recorded(remote) == 3


def test_what_was_refused_twice_is_tried_again_whole(remote: RemoteStore, folder: SpoolFolder) -> None:
    run = Run()
    owner = Owner(folder.url, run.process)
    for batch in batches(run):
        folder.keep(REFUSED, owner, batch)
        take_up_refused(folder, said.append)
    assert sum(file.batches for file in deliver(remote, folder)) == 3
    assert recorded(remote) == 3


def test_a_refused_file_that_is_damaged_does_not_hold_up_others(remote: RemoteStore, folder: SpoolFolder) -> None:
    run = Run()
    kept = folder.keep(REFUSED, Owner(folder.url, run.process), batches(run)[0])
    damaged = kept.with_name(kept.name.replace("-", "-0", 1))
    damaged.write_bytes(b"nothing of ours")
    take_up_refused(folder, said.append)
    assert [file.batches for file in deliver(remote, folder)] == [1]
    assert damaged.exists()
    assert "cannot be delivered" in said[0]


def test_the_name_of_a_new_file_survives_a_power_cut_too(
    folder: SpoolFolder, remote: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    synced: list[str] = []
    fsync = os.fsync

    def noting(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    spool = folder.create(run.process, SIZE)
    spool.append(batches(run)[0])
    monkeypatch.setattr(os, "fsync", noting)
    spool.sync()
    assert synced == [str(each) for each in (spool.path, folder.path, folder.top)]
    spool.close()


def test_files_of_one_process_are_delivered_in_the_order_of_their_making(
    remote: RemoteStore, folder: SpoolFolder
) -> None:
    run = Run()
    made: list[Path] = []
    for batch in batches(run, 12):
        spool = folder.create(run.process, SIZE)
        spool.append(batch)
        spool.close()
        made.append(spool.path)
    assert folder.left() == made
    assert sum(file.batches for file in deliver(remote, folder)) == 12
    assert recorded(remote) == 12
