"""`dalsegno flow-run pause`, `suspend`, `resume`, and how runs look that wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder
from tests.cli.scripts import Folder

from dalsegno._backend.connect import connect
from dalsegno._engine.requesting import request_run
from dalsegno.flow_runs import execute_flow_run
from dalsegno.flows import load_flow_from_entrypoint
from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType
from dalsegno.model.views import Page, RunFilter

SCRIPT = """
from dalsegno import flow, pause_flow_run, suspend_flow_run, task
from dalsegno.input import RunInput


class Approval(RunInput):
    approved: bool
    code: str = ""


@task
def double(number):
    return 2 * number


@flow
def leaves(number: int = 1):
    found = double(number)
    given = suspend_flow_run(wait_for_input=Approval.with_initial_data("Publish it?"))
    return f"{found} {given.approved} {given.code}"


@flow
def pauses():
    return pause_flow_run(wait_for_input=int)
"""


def until(what: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.02)
    return found


def test_a_script_that_is_suspended_is_resumed_here(dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("waits.py", SCRIPT)
    left = dalsegno("run", "waits.py:leaves")
    assert left.code == 7, left.errors
    run = connect().list_flow_runs(RunFilter(), Page())[0]
    assert f"dalsegno flow-run resume {id_text(run.id)} --input approved=... --input code=..." in left.errors
    page = dalsegno("flow-run", "inspect", "last").output
    assert "Suspended" in page
    for line in ("somebody, since", "Publish it?", "approved: boolean", "code: string (may be left out)"):
        assert line in page
    (pause,) = dalsegno("flow-run", "inspect", "last", "-o", "json").json["pauses"]
    assert pause["schema"]["properties"]["approved"]["type"] == "boolean"
    assert [shown["name"] for shown in dalsegno("flow-run", "ls", "--state", "suspended", "-o", "json").json] == [
        run.name
    ]
    refused = dalsegno("flow-run", "resume", "last", "--input", "approved=perhaps")
    assert (refused.code, refused.output) == (2, "")
    assert "cannot take the input: approved: 'perhaps' is not of type 'boolean'" in refused.errors
    assert dalsegno("flow-run", "execute", "last").code == 2
    # A field that is a text stays one.
    done = dalsegno("flow-run", "resume", "last", "--input", "approved=true", "--input", "code=007")
    assert done.code == 0, done.errors
    seen = connect().read_flow_run(run.id)
    assert seen is not None
    assert (seen.state.name, seen.attempt) == ("Completed", 2)
    assert connect().list_task_runs(RunFilter(task_names=["double"]), Page())[0].run_count == 1
    assert dalsegno("flow-run", "inspect", "last", "-o", "json").json["result"] == {"value": "2 True 007"}
    assert dalsegno("flow-run", "resume", "last").code == 2


def test_a_run_that_was_asked_for_is_queued_when_it_is_resumed(dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("waits.py", SCRIPT)
    leaves = load_flow_from_entrypoint("waits.py:leaves")
    id_ = request_run(connect(), leaves, {})
    assert execute_flow_run(id_, flow=leaves, return_state=True).name == "Suspended"
    resumed = dalsegno("flow-run", "resume", id_text(id_), "--input-json", '{"approved": false}')
    assert (resumed.code, "is in the queue again" in resumed.output) == (0, True)
    assert execute_flow_run(id_, flow=leaves) == "2 False "


def test_a_run_whose_process_waits_goes_on_there(dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("waits.py", SCRIPT)
    pauses = load_flow_from_entrypoint("waits.py:pauses")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(pauses()))
    thread.start()
    try:
        until(lambda: [run for run in connect().list_flow_runs(RunFilter(), Page()) if run.state.name == "Paused"])
        assert "Paused" in dalsegno("flow-run", "ls").output
        until(lambda: dalsegno("flow-run", "inspect", "last", "-o", "json").json["pauses"])
        resumed = dalsegno("flow-run", "resume", "last", "--input", "value=5")
        assert (resumed.code, "goes on" in resumed.output) == (0, True)
    finally:
        thread.join(60)
    assert found == [5]


@pytest.mark.parametrize("command", ["pause", "suspend"])
def test_a_run_is_asked_to_wait_before_its_next_task(dalsegno: Dalsegno, recorder: Recorder, command: str) -> None:
    id_ = recorder.flow_run(state=StateType.RUNNING)
    asked = dalsegno("flow-run", command, "last")
    assert asked.code == 0
    assert "before its next task" in asked.output
    receipt = connect().heartbeat(recorder.process.id, {id_: 1})
    assert id_ in (receipt.pause if command == "pause" else receipt.suspend)
    recorder.flow_run("ended")
    refused = dalsegno("flow-run", command, "ended")
    assert refused.code == 2
    assert "has ended, so it cannot be paused" in refused.errors


def test_an_input_is_a_field_or_an_object(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run(state=StateType.PAUSED)
    for words, told in (
        (("--input", "approved"), "is no field of an input"),
        (("--input-json", "{"), "holds no JSON"),
        (("--input-json", "[1]"), "must hold a JSON object"),
    ):
        refused = dalsegno("flow-run", "resume", "last", *words)
        assert refused.code == 2
        assert told in refused.errors
