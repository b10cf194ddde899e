"""What goes wrong outside of our code: each error says what, where and what to do, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from tests.guarantees.processes import Program, Started

from dalsegno import flow, retry_flow_run, task
from dalsegno._backend.connect import connect
from dalsegno._engine.session import close_journals
from dalsegno.exceptions import CannotResume, DalsegnoException, ParameterTypeError
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView, Page, RunFilter

pytestmark = pytest.mark.embedded


def the_run() -> FlowRunView:
    (listed,) = connect().list_flow_runs(RunFilter(), Page())
    run = connect().read_flow_run(listed.id)
    assert run is not None
    return run


def log_of(run: FlowRunView) -> list[str]:
    return [line.message for line in connect().list_logs(flow_run_id=run.id, limit=1000)]


# --- values


def test_wrong_types_of_parameters_are_named_and_nothing_runs() -> None:
    ran: list[int] = []

    @flow
    def report(days: int, name: str = "x") -> None:
        ran.append(days)

    with pytest.raises(ParameterTypeError) as raised:
        report("many")  # type: ignore[arg-type]
    assert "days: Input should be a valid integer" in str(raised.value)
    assert ran == []
    run = the_run()
    assert run.state.name == "Failed"
    assert "days" in (run.state.message or "")


class Order:
    """A value that travels as a signed pickle."""

    def __init__(self, number: int) -> None:
        self.number = number


class Ledger:
    """A flow of three tasks that fails until it is mended, and counts what ran."""

    def __init__(self, first: object, **options: object) -> None:
        self.ran: list[str] = []
        self.broken = True

        @task(**options)  # type: ignore[call-overload]
        def make() -> object:
            self.ran.append("make")
            return first() if callable(first) else first

        @task
        def use(order: object) -> str:
            self.ran.append("use")
            return type(order).__name__

        @task
        def last(name: str) -> str:
            self.ran.append("last")
            if self.broken:
                raise ValueError("broken")
            return name

        @flow
        def ledger() -> str:
            return last(use(make()))

        self.flow = ledger

    def fail(self) -> FlowRunView:
        with pytest.raises(ValueError, match="broken"):
            self.flow()
        assert self.ran == ["make", "use", "last"]
        self.ran.clear()
        self.broken = False
        return the_run()

    def retry(self, run: FlowRunView) -> str:
        return retry_flow_run(id_text(run.id), flow=self.flow)


def test_what_is_kept_is_not_made_again() -> None:
    ledger = Ledger(lambda: Order(1))
    assert ledger.retry(ledger.fail()) == "Order"
    assert ledger.ran == ["last"]


def test_a_result_that_cannot_be_pickled_is_said_and_made_again() -> None:
    ledger = Ledger(threading.Lock)
    run = ledger.fail()
    (warning,) = [line for line in log_of(run) if "not kept" in line or "cannot be" in line]
    assert "make" in warning
    assert "lock" in warning
    assert ledger.retry(run) == "lock"
    assert ledger.ran[0] == "make"
    assert ledger.ran[-1] == "last"


def tamper_with_row(home: Path, name: str) -> None:
    close_journals()
    connection = sqlite3.connect(home / "dalsegno.db")
    with connection:
        ((number, packed),) = connection.execute(
            "SELECT run.number, run.result FROM task_run AS run JOIN task ON task.number = run.task"
            " WHERE task.name = ?",
            (name,),
        ).fetchall()
        changed = packed.replace(b"Order", b"Other")
        assert changed != packed
        connection.execute("UPDATE task_run SET result = ? WHERE number = ?", (changed, number))
    connection.close()


def assert_refused_and_made_again(ledger: Ledger, run: FlowRunView) -> None:
    assert ledger.retry(run) == "Order"
    assert ledger.ran[0] == "make"
    assert ledger.ran[-1] == "last"
    (line,) = [line for line in log_of(run) if "signature" in line.lower() or "signed" in line.lower()]
    assert "make" in line


def test_a_result_that_was_tampered_with_is_not_loaded(dalsegno_home: Path) -> None:
    ledger = Ledger(lambda: Order(1))
    run = ledger.fail()
    tamper_with_row(dalsegno_home, "make")
    assert_refused_and_made_again(ledger, run)


def test_a_file_of_a_result_that_was_tampered_with_is_not_loaded(dalsegno_home: Path, tmp_path: Path) -> None:
    ledger = Ledger(lambda: Order(1), result_storage=tmp_path / "results")
    run = ledger.fail()
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    changed = [path for path in files if b"Order" in path.read_bytes()]
    assert changed
    for path in changed:
        path.write_bytes(path.read_bytes().replace(b"Order", b"Other"))
    assert_refused_and_made_again(ledger, run)


def test_a_file_of_a_result_that_is_gone_is_made_again(dalsegno_home: Path, tmp_path: Path) -> None:
    ledger = Ledger(lambda: Order(1), result_storage=tmp_path / "results")
    run = ledger.fail()
    shutil.rmtree(tmp_path / "results")
    assert ledger.retry(run) == "Order"
    assert ledger.ran[0] == "make"
    assert any("make" in line and "again" in line for line in log_of(run))


# --- code

SCRIPT = """
import sys
from dalsegno import flow, task

@task
def step() -> int:
    return 1

@flow
def moved() -> int:
    raise ValueError("broken")

if __name__ == "__main__":
    moved()
"""


def test_a_script_that_was_moved_is_named_with_the_way_to_go_on(tmp_path: Path, dalsegno_home: Path) -> None:
    program = Program(tmp_path, dalsegno_home, SCRIPT)
    assert program.run().status == 1
    program.path.rename(tmp_path / "elsewhere.py")
    run = the_run()
    with pytest.raises(DalsegnoException) as raised:
        retry_flow_run(id_text(run.id))
    assert str(program.path) in str(raised.value)
    assert the_run().state.name == "Failed"
    assert the_run().attempt == 1
    ended = program.run("flow-run", "retry", "last", tool="dalsegno.cli")
    assert ended.status != 0
    assert str(program.path) in ended.errors
    assert "Traceback" not in ended.errors


def test_a_flow_whose_code_was_not_in_a_file_says_how_to_go_on(tmp_path: Path, dalsegno_home: Path) -> None:
    home = {**os.environ, "DALSEGNO_HOME": str(dalsegno_home)}
    done = subprocess.run([sys.executable, "-"], input=SCRIPT, text=True, capture_output=True, env=home, check=False)
    assert "ValueError: broken" in done.stderr
    with pytest.raises(CannotResume, match="flow=your_flow"):
        retry_flow_run(id_text(the_run().id))


# --- the database

USER = """
import os
import sys
from pathlib import Path

from dalsegno import flow, task
from dalsegno.testing import harness

@task
def step() -> int:
    print("ran", flush=True)
    return 1

@flow
def simple() -> int:
    return step() + 1

if __name__ == "__main__":
    if sys.argv[1:]:
        with harness():
            simple()  # everything that is needed is loaded while all may be read
        if os.getuid() == 0:
            os.setuid(65534)
    simple()
"""


def test_a_home_that_cannot_be_written_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        ended = Program(tmp_path, Path(name), USER).run("warm")
        Path(name).chmod(0o755)
    assert ended.status == 1
    assert ended.output == "ran\n"
    assert "DatabaseReadOnly" in ended.errors
    assert name in ended.errors
    assert "DALSEGNO_HOME to a folder that you can write to" in ended.errors


def assert_refused_untouched(program: Program, database: Path, words: list[str]) -> None:
    before = database.read_bytes()
    ended = program.run()
    assert ended.status == 1
    assert ended.output == ""
    for word in words:
        assert word in ended.errors
    listed = program.run("flow-run", "ls", tool="dalsegno.cli")
    assert listed.status != 0
    assert "Traceback" not in listed.errors
    for word in words[1:]:
        assert word in " ".join(listed.errors.split())
    assert database.read_bytes() == before


def test_a_corrupt_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    program = Program(tmp_path, tmp_path / "home", USER)
    assert program.run().status == 0
    database = tmp_path / "home" / "dalsegno.db"
    content = bytearray(database.read_bytes())
    content[100:3000] = b"\xff" * 2900
    database.write_bytes(content)
    assert_refused_untouched(program, database, ["DatabaseCorrupt", "is damaged", ".recover"])


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    program = Program(tmp_path, tmp_path / "home", USER)
    assert program.run().status == 0
    database = tmp_path / "home" / "dalsegno.db"
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("UPDATE schema_version SET version = 99, compatible_from = 99")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert_refused_untouched(program, database, ["DatabaseTooNew", "schema version 99", "Upgrade Dalsegno"])


# --- the disk

FULL = """
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from dalsegno import flow, retry_flow_run, task
from dalsegno._backend.connect import connect
from dalsegno.model.views import Page, RunFilter

what, folder, mounted = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "mounted"
ballast = folder / "ballast"


def limit(pages: int) -> None:
    connect().database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


def make_room(*_: object) -> None:
    if mounted:
        ballast.unlink()
    elif what == "wait":
        limit(1_000_000)


@task
def step(number: int) -> bytes:
    os.write(ran, b"x")
    time.sleep(0.002)
    return os.urandom(10_000)


@flow
def greedy() -> int:
    return sum(len(step(number)) for number in range(300))


def run() -> None:
    if not mounted:
        limit(200)
    signal.signal(signal.SIGUSR1, make_room)
    print(greedy(), flush=True)


ran = os.open("ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
if __name__ == "__main__":
    if what == "run":
        run()
        sys.exit()
    if mounted:
        ballast.write_bytes(bytes(5_000_000))
    if what == "wait":
        run()
    else:
        child = subprocess.run([sys.executable, __file__, "run", *sys.argv[2:]])
        print(child.returncode, flush=True)
        make_room()
        connect().find_crashed()
        (seen,) = connect().list_flow_runs(RunFilter(), Page())
        print(seen.state.name, connect().count_task_runs(RunFilter()).get("Completed", 0), flush=True)
        print(retry_flow_run(seen.id), flush=True)
    (seen,) = connect().list_flow_runs(RunFilter(), Page())
    print(seen.state.name, connect().count_task_runs(RunFilter()), flush=True)
    print(sqlite3.connect(folder / "dalsegno.db").execute("PRAGMA integrity_check").fetchone()[0], flush=True)
"""


def start_on_small_disk(folder: Path, what: str, timeout: str) -> Started:
    """Start the greedy flow with its home on a file system of 7 MB, of which 5 MB are taken.

    That lives in a namespace of the process; where those are forbidden SQLite's own limit plays the disk.
    """
    home = folder / "disk"
    home.mkdir()
    program = Program(folder, home, FULL)
    settings = {**os.environ, "DALSEGNO_HOME": str(home), "DALSEGNO_JOURNAL_DELIVERY_TIMEOUT": timeout}
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=7m tmpfs {home}"
    command = [sys.executable, str(program.path), what, str(home)]
    if shutil.which("unshare") and subprocess.run([*isolated, mount], capture_output=True, check=False).returncode == 0:
        return Started([*isolated, f'{mount} && exec "$@"', "sh", *command, "mounted"], folder, settings)
    return Started([*command, "limited"], folder, settings)


def test_a_run_waits_while_the_disk_is_full_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with start_on_small_disk(tmp_path, "wait", timeout="60") as started:
        while "There is no room left" not in started.errors:
            assert started.process.poll() is None, started.errors
            threading.Event().wait(0.02)
        assert "task runs wait to be recorded; trying again" in started.errors
        assert str(tmp_path / "disk" / "dalsegno.db") in started.errors
        started.send(signal.SIGUSR1)
        ended = started.end()
    assert ended.output.splitlines() == ["3000000", "Completed {'Completed': 300}", "ok"], ended.errors
    assert ended.status == 0


def test_a_run_that_waited_too_long_for_the_disk_ends_with_an_error_and_can_be_picked_up(tmp_path: Path) -> None:
    with start_on_small_disk(tmp_path, "give up", timeout="0.5") as started:
        ended = started.end()
    status, recorded, result, counts, integrity = ended.output.splitlines()
    assert status == "1", ended.errors
    last = ended.errors[ended.errors.index("\ndalsegno.exceptions.DiskFull: ") :]
    assert f"There is no room left on the disk of the database {tmp_path}/disk/dalsegno.db. Free some space" in last
    assert (result, counts, integrity) == ("3000000", "Completed {'Completed': 300}", "ok")
    assert "what was not recorded runs again" in last
    assert "Exception ignored" not in last
    state, kept = recorded.split()
    assert state == "Crashed"
    # What was recorded was not run again, whatever became of the rest.
    print(f"{kept} of 300 recorded before the disk was full")
    assert 0 < int(kept) < 300
    assert len((tmp_path / "ran").read_bytes()) == 600 - int(kept)
