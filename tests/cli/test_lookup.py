"""How commands find the run that an argument means."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import SECOND, Recorder, now

from dalsegno.model.ids import id_text

DAY = 86400 * SECOND


def test_last_is_the_newest_top_level_run(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run("older")
    newest = recorder.flow_run("newer")
    recorder.flow_run("nested", parent=newest)
    assert dalsegno("flow-run", "inspect", "last", "-o", "json").json["name"] == "newer"


@pytest.mark.parametrize("length", [36, 20, 13])
def test_a_unique_beginning_of_an_id_is_enough(dalsegno: Dalsegno, recorder: Recorder, length: int) -> None:
    recorder.flow_run("older", made=now() - DAY)
    wanted = recorder.flow_run("wanted")
    text = id_text(wanted)[:length]
    assert dalsegno("flow-run", "inspect", text, "-o", "json").json["name"] == "wanted"
    assert dalsegno("flow-run", "inspect", text.upper(), "-o", "json").json["name"] == "wanted"
    undashed = text.replace("-", "")
    assert dalsegno("flow-run", "inspect", undashed, "-o", "json").json["name"] == "wanted"


def test_an_exact_name_is_enough(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run("calm-crow")
    recorder.flow_run("calm-crow-two")
    assert dalsegno("flow-run", "inspect", "calm-crow", "-o", "json").json["name"] == "calm-crow"


def test_what_fits_several_runs_lists_them_and_is_refused(dalsegno: Dalsegno, recorder: Recorder) -> None:
    made = now()
    first, second = recorder.flow_run("one", made=made), recorder.flow_run("two", made=made)
    done = dalsegno("flow-run", "inspect", id_text(first)[:8])
    assert done.code == 2
    assert done.errors.startswith(f"Error: '{id_text(first)[:8]}' fits more than one flow run")
    assert f"  {id_text(first)}  one  Completed" in done.errors
    assert f"  {id_text(second)}  two  Completed" in done.errors
    assert done.output == ""


def test_a_name_that_two_runs_have_is_refused(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run("twin")
    recorder.flow_run("twin")
    assert dalsegno("flow-run", "delete", "twin").code == 2


def test_a_long_list_of_candidates_is_cut(dalsegno: Dalsegno, recorder: Recorder) -> None:
    for _ in range(12):
        recorder.flow_run("twin")
    assert dalsegno("flow-run", "inspect", "twin").errors.splitlines()[-1] == "  ..."


@pytest.mark.parametrize("text", ["nobody", "0193a0f2", "0193a0f2-0000-7000-8000-000000000000", "zz", ""])
@pytest.mark.parametrize(
    "command", ["flow-run inspect", "flow-run logs", "flow-run cancel", "flow-run delete", "flow-run watch"]
)
def test_an_unknown_flow_run_is_not_found(dalsegno: Dalsegno, recorder: Recorder, command: str, text: str) -> None:
    recorder.flow_run()
    done = dalsegno(*command.split(), text)
    assert done.code == 5
    assert done.errors == (
        f"Error: There is no flow run with the name, or an id that begins with, {text!r}; "
        "`dalsegno flow-run ls` lists them.\n"
    )


@pytest.mark.parametrize("command", ["task-run inspect", "task-run logs"])
def test_an_unknown_task_run_is_not_found(dalsegno: Dalsegno, recorder: Recorder, command: str) -> None:
    recorder.flow_run("not-a-task-run")
    done = dalsegno(*command.split(), "not-a-task-run")
    assert done.code == 5
    assert "There is no task run" in done.errors


def test_last_of_nothing_is_not_found(dalsegno: Dalsegno) -> None:
    done = dalsegno("flow-run", "inspect", "last")
    assert (done.code, done.errors) == (5, "Error: There are no flow runs yet.\n")


def test_task_runs_are_found_by_name_and_id_too(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.task_run(recorder.flow_run(), "clean-4f1")
    for text in ("clean-4f1", id_text(id), id_text(id)[:18], "last"):
        assert dalsegno("task-run", "inspect", text, "-o", "json").json["id"] == id_text(id)
