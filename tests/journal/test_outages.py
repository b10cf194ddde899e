"""Runs go on while their server is away, and are recorded when it is back."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from tests.journal.remote import RemoteStore, Switch

from dalsegno import flow, task
from dalsegno._backend.protocol import Backend
from dalsegno._engine.session import close_journals, journal_for
from dalsegno._journal import carrier
from dalsegno._journal.journal import Journal
from dalsegno.exceptions import BackendError, BackendUnavailable, RunCancelled, SpoolFull
from dalsegno.flow_runs import retry_flow_run
from dalsegno.model.ids import id_text
from dalsegno.model.records import Batch, Receipt
from dalsegno.model.views import FlowRunView, Page, RunFilter

Names = Callable[..., list[str]]
between: list[Callable[[], None]] = []


@pytest.fixture(autouse=True)
def nothing_between() -> None:
    between.clear()


def journal(remote: RemoteStore) -> Journal:
    return journal_for(cast("Backend", remote))


@task
def double(number: int) -> int:
    return 2 * number


@task
def interrupt() -> None:
    for action in between:
        action()


@flow
def orders(count: int = 3) -> int:
    total = sum(double(number) for number in range(count))
    interrupt()
    return total + double(count)


def many_orders() -> None:
    for _ in range(100):
        orders(50)


def run_of(remote: RemoteStore) -> FlowRunView:
    (found,) = remote.store.list_flow_runs(RunFilter(), Page(limit=10))
    return found


def states_of(remote: RemoteStore) -> tuple[str, dict[str, int]]:
    run = run_of(remote)
    return run.state.name, remote.store.count_task_runs(RunFilter(root_run_ids=[run.id]))


def test_a_run_that_starts_without_its_server_ends_and_leaves_its_records(
    remote: RemoteStore, switch: Switch, spool_files: Names, capsys: pytest.CaptureFixture[str], dalsegno_home: Path
) -> None:
    switch.off()
    assert orders() == 12
    close_journals()
    (name,) = spool_files()
    path = dalsegno_home / "spool" / name
    assert path.stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr().err.splitlines()
    assert "The run goes on; what it records waits in" in said[-2]
    assert f"are left in {path}: the next process on this machine delivers them" in said[-1]
    assert "`dalsegno flow-run deliver`" in said[-1]
    switch.on()

    @flow
    def next_one() -> int:
        return 1

    assert next_one() == 1
    close_journals()
    assert spool_files() == []
    names = {run.flow_name: run.state.name for run in remote.store.list_flow_runs(RunFilter(), Page(limit=10))}
    assert names == {"orders": "Completed", "next-one": "Completed"}


def test_what_waited_is_delivered_in_order_when_the_server_is_back(
    remote: RemoteStore, switch: Switch, spool_files: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    between.append(switch.off)
    between.append(lambda: journal(remote).barrier())
    assert orders() == 12
    assert len(spool_files()) == 1
    switch.on()
    journal(remote).catch_up()
    assert states_of(remote) == ("Completed", {"Completed": 5})
    assert spool_files() == []
    assert "is back; all that waited for it is delivered." in capsys.readouterr().err
    between.clear()
    assert orders() == 12
    assert spool_files() == []
    versions = [run.version for batch in remote.delivered for run in batch.task_runs]
    assert versions == sorted(versions)


def test_a_server_that_takes_too_long_does_not_hold_the_run_and_gets_each_batch_once(
    remote: RemoteStore, spool_files: Names
) -> None:
    remote.hangs = threading.Event()
    assert orders() == 12
    assert len(spool_files()) == 1
    remote.hangs.set()
    journal(remote).catch_up()
    assert states_of(remote) == ("Completed", {"Completed": 5})
    assert spool_files() == []
    seen = [run.id for batch in remote.delivered for run in batch.task_runs if run.version == 1]
    assert len(seen) == len(set(seen))


def test_a_cancellation_arrives_with_the_first_answer(remote: RemoteStore, switch: Switch) -> None:
    arrived = threading.Event()

    @flow
    def waiting() -> None:
        double(1)
        journal(remote).barrier()
        switch.off()
        double(2)
        journal(remote).barrier()
        remote.store.request_cancel(run_of(remote).id)
        switch.on()
        arrived.wait(60.0)

    with pytest.raises(RunCancelled):
        waiting()
    close_journals()
    assert states_of(remote)[0] == "Cancelled"


def test_a_retry_delivers_first_and_so_does_nothing_twice(remote: RemoteStore, switch: Switch) -> None:
    between.append(switch.off)

    @flow
    def broken() -> int:
        double(1)
        journal(remote).barrier()
        interrupt()
        double(2)
        if between:
            raise ValueError("not yet")
        return 7

    assert broken(return_state=True).name == "Failed"
    run = run_of(remote)
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        retry_flow_run(id_text(run.id), flow=broken)
    between.clear()
    switch.on()
    assert retry_flow_run(id_text(run.id), flow=broken) == 7
    close_journals()
    counts = {view.name: view.run_count for view in remote.store.list_task_runs(RunFilter(), Page(limit=10))}
    assert set(counts.values()) == {1}
    assert states_of(remote) == ("Completed", {"Completed": 3})


def test_a_journal_that_only_caught_up_holds_nothing_after_its_end(
    remote: RemoteStore, switch: Switch, spool_files: Names
) -> None:
    switch.off()
    orders()
    close_journals()
    switch.on()
    catching_up = journal(remote)
    catching_up.catch_up()
    catching_up.close()
    assert spool_files() == []
    assert "dalsegno-courier" not in {thread.name for thread in threading.enumerate()}


def test_no_heartbeat_names_a_run_that_the_server_does_not_know_yet(
    remote: RemoteStore, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_JOURNAL_HEARTBEAT_INTERVAL", "0.01")
    switch.off()
    beats: list[dict[bytes, int]] = []
    known = threading.Event()

    def heartbeat(process_id: bytes, attempts: dict[bytes, int]) -> Receipt:
        beats.append(attempts)
        known.set()
        return remote.store.heartbeat(process_id, attempts)

    monkeypatch.setattr(remote, "heartbeat", heartbeat, raising=False)

    @flow
    def long_one() -> int:
        double(1)
        journal(remote).barrier()
        switch.on()
        assert known.wait(60.0)
        return double(2)

    assert long_one() == 4
    assert [len(attempts) for attempts in beats[:1]] == [1]


def test_a_full_spool_holds_the_run_back_and_loses_nothing(
    remote: RemoteStore, switch: Switch, monkeypatch: pytest.MonkeyPatch, spool_files: Names
) -> None:
    monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_MAX_SIZE", "30000")
    monkeypatch.setenv("DALSEGNO_JOURNAL_DELIVERY_TIMEOUT", "0.2")
    switch.off()
    with pytest.raises(SpoolFull, match=r"has reached DALSEGNO_JOURNAL_SPOOL_MAX_SIZE \(30000 bytes\)"):
        many_orders()
    assert len(spool_files()) == 1
    switch.on()
    close_journals()
    runs = remote.store.list_flow_runs(RunFilter(), Page(limit=200))
    assert {run.state.name for run in runs} == {"Completed"}
    assert spool_files() == []


def test_a_batch_that_is_refused_for_good_is_kept_and_does_not_keep_the_others(
    remote: RemoteStore, switch: Switch, spool_files: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    switch.off()
    remote.refuses = lambda batch: any(run.version == 1 for run in batch.flow_runs)
    orders()
    orders()
    switch.on()
    journal(remote).catch_up()
    assert "This batch is too odd. What process" in capsys.readouterr().err
    # The definitions that were in it came with the next one.
    assert all(name.startswith("refused/") for name in spool_files())
    orders()
    runs = remote.store.list_flow_runs(RunFilter(), Page(limit=10))
    assert [run.state.name for run in runs].count("Completed") >= 1


def test_a_batch_that_always_meets_a_fault_of_the_server_is_kept_and_does_not_keep_the_others(
    remote: RemoteStore, spool_files: Names, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(carrier, "_LONGEST_FAULT", 0.3)
    monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_AFTER", "0.1")
    tried: list[Batch] = []

    def fails(batch: Batch) -> bool:
        if any(run.version == 1 for run in batch.flow_runs):
            tried.append(batch)
            return True
        return False

    remote.fails = fails
    orders()
    orders()
    while not spool_files("refused/*"):
        with contextlib.suppress(BackendError):
            journal(remote).catch_up()
    journal(remote).catch_up()
    assert len(tried) >= 5
    assert "met an error" in capsys.readouterr().err
    assert all(name.startswith("refused/") for name in spool_files())


def test_a_server_that_meets_errors_with_everything_is_away(
    remote: RemoteStore, spool_files: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrier, "_LONGEST_FAULT", 0.0)
    monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_AFTER", "0.05")
    remote.fails_all = True
    assert orders() == 12
    for _ in range(8):
        with contextlib.suppress(BackendError):
            journal(remote).catch_up()
    assert spool_files()
    assert not any(name.startswith("refused/") for name in spool_files())


def test_a_barrier_raises_what_the_server_refuses(
    remote: RemoteStore, spool_files: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_JOURNAL_SPOOL_AFTER", "60")
    remote.refuses = lambda batch: bool(batch.task_runs)
    with pytest.raises(BackendError, match="too odd"):
        orders()
    assert all(name.startswith("refused/") for name in spool_files())
    remote.refuses = lambda _: False
    assert orders() == 12


def test_a_server_that_lets_nobody_in_loses_nothing(remote: RemoteStore, spool_files: Names) -> None:
    remote.refuses_all = True
    assert orders() == 12
    close_journals()
    assert [name.startswith("refused/") for name in spool_files()] == [False]
    remote.refuses_all = False
    assert orders() == 12
    close_journals()
    runs = remote.store.list_flow_runs(RunFilter(), Page(limit=10))
    assert [run.state.name for run in runs] == ["Completed", "Completed"]


def test_a_forked_child_does_not_hold_what_its_parent_leaves(
    remote: RemoteStore, switch: Switch, spool_files: Names
) -> None:
    switch.off()
    orders()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # lives until the test is done
        os._exit(0)
    try:
        close_journals()
        switch.on()
        orders()
        # Its end alone gives what others left a second, which a busy machine may need for less.
        journal(remote).catch_up()
        close_journals()
        assert spool_files() == []
    finally:
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)
