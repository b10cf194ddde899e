"""Many processes use one file at the same time; some are killed, some fork: no error, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.store.make import COMPLETED, RUNNING, Run, many_task_runs

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.sqlite.database import SqliteDatabase
from dalsegno.exceptions import BackendUnavailable
from dalsegno.model.ids import new_id
from dalsegno.model.views import Page, RunFilter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def backend(sqlite_backend: StoreBackend) -> StoreBackend:
    return sqlite_backend


# Opens the database when it is told to, delivers batches, and says the times that they took.
_WRITER = """
import sys, time
from dalsegno._backend.embedded import StoreBackend
from tests.store.make import COMPLETED, Run, many_task_runs
path, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
input()
backend = StoreBackend.in_file(path)
run = Run()
waits = []
for index in range(batches):
    last = index == batches - 1
    batch = run.batch(
        flow_runs=[run.flow_run(COMPLETED)] if last else [run.flow_run()],
        task_runs=many_task_runs(run, size),
        logs=[run.log(f"batch {index}", nonce=index)],
        durable=last,
    )
    start = time.monotonic()
    backend.deliver(batch)
    waits.append(time.monotonic() - start)
    time.sleep(0.02)
backend.end_process(run.process.id)
backend.close()
print(*waits, flush=True)
"""


def start_writers(path: Path, count: int, batches: int, size: int) -> list[subprocess.Popen[str]]:
    """Start processes and let them all go at the same moment."""
    arguments = [sys.executable, "-c", _WRITER, str(path), str(batches), str(size)]
    writers = [
        subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(count)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    return writers


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


def test_fifty_processes_make_one_database_and_write_to_it(path: Path) -> None:
    writers = start_writers(path, 50, 10, 20)
    said = [writer.communicate() for writer in writers]
    assert [error for _, error in said if error] == []
    waits = sorted(float(wait) for out, _ in said for wait in out.split())
    assert len(waits) == 500
    print(f"waited at p50 {waits[250]:.3f} s, p99 {waits[495]:.3f} s, most {waits[-1]:.3f} s")
    backend = StoreBackend.in_file(str(path))
    runs = backend.list_flow_runs(RunFilter(), Page())
    assert [run.state.name for run in runs] == ["Completed"] * 50
    assert backend.count_task_runs(RunFilter()) == {"Completed": 50 * 10 * 20}
    assert {len(backend.list_logs(flow_run_id=run.id)) for run in runs} == {10}
    backend.close()
    assert integrity(path) == "ok"


def test_killed_writers_leave_a_sound_database_with_all_that_was_acknowledged(path: Path) -> None:
    dice = random.Random(7)
    for _ in range(5):
        writers = start_writers(path, 2, 400, 50)
        for writer in writers:
            threading.Event().wait(dice.random() * 0.25)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        assert not path.exists() or integrity(path) == "ok"
    backend = StoreBackend.in_file(str(path))
    backend.find_crashed()
    for run in backend.list_flow_runs(RunFilter(), Page()):
        assert run.state.name == "Crashed"
        # Whole batches, or nothing of them.
        counts = backend.count_task_runs(RunFilter(flow_run_ids=[run.id]))
        lines = backend.list_logs(flow_run_id=run.id, limit=1000)
        assert counts == ({"Completed": 50 * len(lines)} if lines else {})
    backend.close()


def test_a_write_waits_for_another_and_gives_up_in_time(path: Path) -> None:
    holding, waiting = SqliteDatabase(str(path)), SqliteDatabase(str(path), busy_timeout=0.2)
    held, release = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        held.set()
        release.wait(30)

    holder = threading.Thread(target=holding.write, args=(hold,))
    holder.start()
    held.wait(30)
    with pytest.raises(BackendUnavailable, match="in use by other processes"):
        waiting.write(lambda connection: None)
    patient = SqliteDatabase.__new__(SqliteDatabase)
    patient.__dict__ |= waiting.__dict__ | {"_busy_timeout": 30.0}
    threading.Timer(0.1, release.set).start()
    assert patient.write(lambda connection: "done") == "done"
    holder.join()
    holding.close()
    waiting.close()


def test_readers_do_not_wait_for_a_writer(path: Path) -> None:
    backend = StoreBackend.in_file(str(path))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    other = SqliteDatabase(str(path))
    seen = other.write(lambda connection: backend.read_flow_run(run.id))
    assert seen is not None
    other.close()
    backend.close()


def in_child(work: object) -> bytes:
    """Run a function in a forked child; return the bytes that it returned."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sending, work())  # type: ignore[operator]
        except BaseException as error:
            os.write(sending, repr(error).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_parent_and_child_of_a_fork_both_write(backend: StoreBackend, path: Path) -> None:
    run, of_child = Run(), new_id()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 10)))
    backend.count_task_runs(RunFilter())

    def work() -> bytes:
        theirs = Run(id=of_child)
        backend.deliver(theirs.batch(flow_runs=[theirs.flow_run()], task_runs=many_task_runs(theirs, 10)))
        return repr(backend.count_task_runs(RunFilter())).encode()

    assert in_child(work) == b"{'Completed': 20}"
    backend.deliver(run.batch(task_runs=many_task_runs(run, 10)))
    assert backend.count_task_runs(RunFilter()) == {"Completed": 30}
    backend.close()
    assert integrity(path) == "ok"


def test_the_end_of_a_child_does_not_drop_its_parents_locks(backend: StoreBackend, path: Path) -> None:
    """Closing a copy of the parent's connections would let others check in while the parent writes."""
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert in_child(lambda: b"ended") == b"ended"
    other = SqliteDatabase(str(path), busy_timeout=0.0)

    def try_to_write(connection: sqlite3.Connection) -> None:
        with pytest.raises(BackendUnavailable):
            other.write(lambda theirs: None)

    backend.database.write(try_to_write)
    other.close()


def test_threads_that_write_while_others_fork_lose_nothing(backend: StoreBackend, path: Path) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    batches = [run.batch(task_runs=many_task_runs(run, 50)) for _ in range(60)]
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for batch in batches:
                backend.deliver(batch)
                backend.count_task_runs(RunFilter(flow_run_ids=[run.id]))
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    said: set[bytes] = set()
    while writer.is_alive():
        said.add(in_child(lambda: repr(sorted(backend.count_task_runs(RunFilter()))).encode()))
    writer.join()
    assert failures == []
    assert said <= {b"[]", b"['Completed']"}
    assert backend.count_task_runs(RunFilter()) == {"Completed": 3000}
    backend.close()
    assert integrity(path) == "ok"


def test_what_is_in_memory_only_is_gone_when_it_is_closed() -> None:
    backend = StoreBackend.in_memory()
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=[run.task_run(RUNNING)]))
    assert backend.count_task_runs(RunFilter()) == {"Running": 1}
    file = Path(backend.database.path)
    assert file.exists()
    backend.close()
    assert not file.exists()
