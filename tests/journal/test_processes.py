"""Processes that end or are killed while their server is away, and the command that delivers what they left."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.guarantees.processes import Program
from tests.journal.remote import RemoteStore, Switch

from dalsegno._processes import current_process
from dalsegno.cli import main
from dalsegno.model.views import OpenRun, Page, RunFilter

Names = Callable[..., list[str]]
REPOSITORY = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path

from dalsegno import flow, task
from tests.journal.remote import install

remote = install(Path(sys.argv[1]))


@task
def small(number):
    return number


@task(durable=True)
def step(number):
    return number


@flow(name="nightly")
def work(steps):
    total = 0
    for number in range(steps):
        total += sum(small(each) for each in range(30)) + step(number)
        print("step", number, flush=True)
    return total


if __name__ == "__main__":
    print("result", work(int(sys.argv[2])))
"""


@pytest.fixture
def program(tmp_path: Path, dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("DALSEGNO_LOGGING_TO_CONSOLE", "false")
    return Program(tmp_path / "work", dalsegno_home, PROGRAM)


def call(*arguments: str) -> int:
    return main(["flow-run", *arguments])


def test_a_script_ends_as_ever_and_the_command_delivers_what_it_left(
    program: Program,
    remote: RemoteStore,
    server_folder: Path,
    switch: Switch,
    spool_files: Names,
    capsys: pytest.CaptureFixture[str],
) -> None:
    switch.off()
    ended = program.run(str(server_folder), "2")
    assert (ended.status, ended.last) == (0, "result 871")
    assert "are left in" in ended.errors.splitlines()[-1]
    assert "`dalsegno flow-run deliver`" in ended.errors.splitlines()[-1]

    assert call("deliver") == 6
    said = capsys.readouterr().err
    assert "cannot be reached" in said
    assert "1 files still wait in" in said
    (name,) = spool_files()
    assert call("deliver", "--show", str(program.home / "spool" / name)) == 0
    shown = capsys.readouterr().out
    assert "flow run" in shown
    assert "1 flow runs; 62 task runs: 62 Completed." in shown

    switch.on()
    assert call("deliver") == 0
    assert "program.py" in capsys.readouterr().out
    assert spool_files() == []
    (run,) = remote.store.list_flow_runs(RunFilter(), Page())
    assert run.state.name == "Completed"
    assert remote.store.count_task_runs(RunFilter()) == {"Completed": 62}
    assert call("deliver") == 0
    assert capsys.readouterr().out == f"Nothing was left to deliver to {remote.url}.\n"


@pytest.mark.parametrize("last", [0, 3, 11])
def test_what_a_killed_process_spooled_is_there_and_a_reader_delivers_it(
    program: Program,
    remote: RemoteStore,
    server_folder: Path,
    switch: Switch,
    last: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    switch.off()
    with program.start(str(server_folder), "100000") as started:
        started.until(f"step {last}")
        started.send(signal.SIGKILL)
        started.end()
    switch.on()
    assert call("ls") == 0
    assert "nightly" in capsys.readouterr().out
    (run,) = remote.store.list_flow_runs(RunFilter(), Page())
    assert run.state.name == "Crashed"
    steps = remote.store.count_task_runs(RunFilter(task_names=["step"]))
    assert steps["Completed"] >= last + 1
    small = remote.store.count_task_runs(RunFilter(task_names=["small"]))
    assert small["Completed"] >= 30 * (last + 1)


def test_the_command_says_which_runs_were_fenced_and_where_their_file_is(
    program: Program,
    remote: RemoteStore,
    server_folder: Path,
    switch: Switch,
    spool_files: Names,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with program.start(str(server_folder), "100000") as started:
        started.until("step 0")
        switch.off()
        started.until("step 40")
        started.send(signal.SIGKILL)
        started.end()
    (run,) = remote.store.list_flow_runs(RunFilter(), Page())
    remote.store.open_run(OpenRun(flow_run_id=run.id, process=current_process()))
    switch.on()
    assert call("deliver") == 0
    said = capsys.readouterr().out
    (kept,) = spool_files()
    assert kept.startswith("fenced/")
    assert "Not recorded, since another attempt was started or it was deleted: flow run" in said
    assert f"--show {program.home / 'spool' / kept}" in said
    assert call("deliver", "--show", str(program.home / "spool" / kept)) == 0
    assert "Completed" in capsys.readouterr().out


def test_a_file_that_cannot_be_shown_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("deliver", "--show", str(tmp_path / "none.journal")) == 5
    (tmp_path / "odd.journal").write_text("odd")
    assert call("deliver", "--show", str(tmp_path / "odd.journal")) == 6
    assert "odd.journal cannot be read: it is not one of Dalsegno's." in capsys.readouterr().err
