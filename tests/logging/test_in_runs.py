"""Lines of real runs, as they are recorded."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dalsegno._backend.connect import connect
from dalsegno.flows import flow
from dalsegno.logging import get_run_logger
from dalsegno.model.records import default_task_run_name
from dalsegno.model.views import LogView, Page, RunFilter
from dalsegno.settings import temporary_settings
from dalsegno.tasks import task


def lines(**chosen: Any) -> list[LogView]:
    """Return the lines of user code, without the engine's own on where a flow run begins and ends."""
    of_engine = ("Begins: flow", "Finished: ")
    return [line for line in connect().list_logs(**chosen) if not line.message.startswith(of_engine)]


def messages(**chosen: Any) -> list[str]:
    return [line.message for line in lines(**chosen)]


def test_a_flow_run_says_where_it_begins_and_ends() -> None:
    nightly()
    found = [line.message for line in connect().list_logs(flow_run_id=run_ids()[0])]
    assert found[0] == "Begins: flow 'nightly'."
    assert found[-1] == "Finished: Completed()"


def run_ids() -> list[bytes]:
    return [run.id for run in connect().list_flow_runs(RunFilter(), Page(oldest_first=True))]


@task
def clean(order: int) -> int:
    get_run_logger().info("cleaning %d", order)
    print("printed", order)
    return order


@task(log_prints=False)
def quiet() -> None:
    print("not logged")


@flow(log_prints=True)
def nightly() -> int:
    print("begins")
    return clean(1) + clean.submit(2).result()


def test_the_lines_of_a_flow_run_hold_those_of_its_tasks_in_order() -> None:
    nightly()
    (flow_run_id,) = run_ids()
    found = lines(flow_run_id=flow_run_id)
    assert [line.message for line in found if line.level == logging.INFO] == [
        "begins",
        "cleaning 1",
        "printed 1",
        "cleaning 2",
        "printed 2",
    ]
    assert {line.logger for line in found} == {"dalsegno.flow_runs", "dalsegno.task_runs"}
    task_run_id = next(line.task_run_id for line in found if line.message == "cleaning 2")
    assert messages(task_run_id=task_run_id) == ["cleaning 2", "printed 2"]


def test_each_line_names_its_run_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    nightly()
    (flow_run,) = connect().list_flow_runs(RunFilter(), Page())
    first, second = connect().list_task_runs(RunFilter(), Page(oldest_first=True))
    shown = capsys.readouterr().err
    assert f"Flow run '{flow_run.name}' - begins" in shown
    for run, number in ((first, 1), (second, 2)):
        assert run.name == default_task_run_name("clean", run.id)
        assert f"Task run '{run.name}' - cleaning {number}" in shown


def test_a_task_says_for_itself_whether_it_logs_prints(capsys: pytest.CaptureFixture[str]) -> None:
    @flow(log_prints=True)
    def loud() -> None:
        quiet()
        print("logged")

    loud()
    assert messages(flow_run_id=run_ids()[0]) == ["logged"]
    assert capsys.readouterr().out == "not logged\n"


def test_the_setting_counts_where_nobody_says(capsys: pytest.CaptureFixture[str]) -> None:
    @flow
    def plain() -> None:
        clean(3)

    with temporary_settings({"DALSEGNO_LOGGING_LOG_PRINTS": True}):
        plain()
        clean(4)
    plain()
    assert capsys.readouterr().out == "printed 3\n"
    first, second = run_ids()
    assert messages(flow_run_id=first) == ["cleaning 3", "printed 3"]
    assert messages(flow_run_id=second) == ["cleaning 3"]
    alone = next(run for run in connect().list_task_runs(RunFilter(), Page()) if run.flow_run_id is None)
    assert messages(task_run_id=alone.id) == ["cleaning 4", "printed 4"]


def test_coroutines_and_nested_flows_log_into_their_own_runs() -> None:
    @task
    async def fetch(number: int) -> None:
        get_run_logger().info("before %d", number)
        await asyncio.sleep(0)
        print("after", number)

    @flow
    def inner() -> None:
        get_run_logger().info("inside")

    @flow(log_prints=True)
    async def outer() -> None:
        await asyncio.gather(fetch(1), fetch(2))
        inner()

    asyncio.run(outer())
    by_run: dict[bytes | None, list[str]] = {}
    for line in lines(flow_run_id=run_ids()[0]):
        by_run.setdefault(line.task_run_id or line.flow_run_id, []).append(line.message)
    assert sorted(by_run.values()) == [["before 1", "after 1"], ["before 2", "after 2"], ["inside"]]


def test_the_error_of_a_task_is_in_its_log_with_the_traceback() -> None:
    @task
    def broken() -> None:
        raise KeyError("colour")

    @flow
    def failing() -> None:
        broken()

    with pytest.raises(KeyError):
        failing()
    (run,) = connect().list_task_runs(RunFilter(), Page())
    (line,) = lines(task_run_id=run.id)
    assert line.level == logging.ERROR
    assert "Traceback" in line.message
    assert "KeyError: 'colour'" in line.message


def test_other_libraries_are_recorded_when_they_are_named() -> None:
    @flow
    def using() -> None:
        logging.getLogger("library.part").info("three models")

    with temporary_settings({"DALSEGNO_LOGGING_EXTRA_LOGGERS": "library"}):
        using()
    assert messages(flow_run_id=run_ids()[0]) == ["three models"]


def test_hooks_log_into_the_run_that_they_are_called_for() -> None:
    def note(flow: Any, flow_run: Any, state: Any) -> None:
        get_run_logger().info("the hook of %s", state.name)

    @flow(on_completion=[note])
    def hooked() -> None: ...

    hooked()
    assert messages(flow_run_id=run_ids()[0]) == ["the hook of Completed"]


SCRIPT = """
import sys, threading
from dalsegno.flows import flow
from dalsegno.logging import get_run_logger
@flow
def talking():
    for number in range(300):
        get_run_logger().info("line %d", number)
    {end}
talking()
"""


@pytest.mark.parametrize("end", ["pass", "raise ValueError('no')", "sys.exit(3)"], ids=["ends", "fails", "exits"])
def test_no_line_is_lost_when_the_process_ends(tmp_path: Path, end: str) -> None:
    script = tmp_path / "talking.py"
    script.write_text(SCRIPT.format(end=end), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == {"pass": 0, "sys.exit(3)": 3}.get(end, 1), done.stderr
    found = messages(flow_run_id=run_ids()[0], limit=1000)
    assert [line for line in found if line.startswith("line ")] == [f"line {n}" for n in range(300)]


def test_lines_written_well_before_a_kill_are_kept(tmp_path: Path) -> None:
    wait = "print('written', flush=True); threading.Event().wait()"
    script = tmp_path / "talking.py"
    script.write_text(SCRIPT.format(end=wait), encoding="utf-8")
    child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    assert child.stdout.readline() == b"written\n"
    found: list[str] = []
    while len(found) < 300:
        found = [] if not run_ids() else messages(flow_run_id=run_ids()[0], limit=1000)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert messages(flow_run_id=run_ids()[0], limit=1000) == [f"line {n}" for n in range(300)]
