"""`dalsegno flow-run ls`, `inspect`, `cancel` and `delete`, on runs that are in the database."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import SECOND, Recorder, now

from dalsegno.model.ids import id_text
from dalsegno.model.records import EntryPoint
from dalsegno.model.states import StateType

HOUR = 3600 * SECOND


def test_an_empty_database_says_what_to_do_next(dalsegno: Dalsegno) -> None:
    done = dalsegno("flow-run", "ls")
    assert done.code == 0
    assert done.output == "No flow runs yet: run one with `python your_flow.py` or `dalsegno run FILE.py`.\n"
    assert dalsegno("flow-run", "ls", "--output", "json").json == []


def test_a_filter_that_nothing_matches_says_so(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run()
    done = dalsegno("flow-run", "ls", "--flow", "other")
    assert done.output.startswith("No flow run matches")


def test_runs_are_listed_newest_first_with_shape_and_name_of_their_state(
    dalsegno: Dalsegno, recorder: Recorder
) -> None:
    old = recorder.flow_run("old-oak", made=now() - 2 * HOUR, state=StateType.FAILED)
    new = recorder.flow_run("new-newt", made=now() - 90 * SECOND)
    lines = dalsegno("flow-run", "ls").output.splitlines()
    assert lines[0].split() == ["ID", "FLOW", "NAME", "STATE", "STARTED", "TOOK"]
    assert lines[1].split() == [*f"{id_text(new)} nightly new-newt ✓ Completed 1 min ago 2.5 s".split()]
    assert lines[2].split() == [*f"{id_text(old)} nightly old-oak ✗ Failed 2 h ago 2.5 s".split()]


def test_columns_are_aligned(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run("a")
    recorder.flow_run("a-much-longer-name")
    header, *lines = dalsegno("flow-run", "ls").output.splitlines()
    assert {line.index("✓") for line in lines} == {header.index("STATE")}


def test_json_has_the_names_of_the_view_ids_as_text_and_times_in_utc(dalsegno: Dalsegno, recorder: Recorder) -> None:
    made = now() - HOUR
    id = recorder.flow_run(parameters={"day": "2026-01-31"}, tags=("b", "a"), made=made)
    (row,) = dalsegno("flow-run", "ls", "-o", "json").json
    assert row["id"] == row["root_run_id"] == str(uuid.UUID(bytes=id))
    assert row["state"]["type"] == row["state"]["name"].upper() == "COMPLETED"
    assert row["parameters"] == {"day": "2026-01-31"}
    assert sorted(row["tags"]) == ["a", "b"]
    assert row["parent_flow_run_id"] is None
    created = datetime.fromisoformat(row["created"])
    assert created.tzinfo == UTC
    assert row["created"].endswith("Z")
    assert abs(created.timestamp() * SECOND - made) < 1000


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--state", "failed"], ["late", "bad"]),
        (["--state", "TimedOut"], ["late"]),
        (["--state", "crashed,Completed"], ["boom", "good"]),
        (["--state", "COMPLETED", "--state", "timedout"], ["late", "good"]),
        (["--flow", "hourly"], ["boom"]),
        (["--tag", "red", "--tag", "blue"], ["bad"]),
        (["--name", "good"], ["good"]),
        (["--since", "2h"], ["late", "boom"]),
        (["--limit", "1"], ["late"]),
    ],
)
def test_filters(dalsegno: Dalsegno, recorder: Recorder, arguments: list[str], names: list[str]) -> None:
    recorder.flow_run("good", made=now() - 5 * HOUR)
    recorder.flow_run("bad", made=now() - 4 * HOUR, state=StateType.FAILED, tags=("red", "blue"))
    recorder.flow_run("boom", made=now() - HOUR, state=StateType.CRASHED, flow="hourly", tags=("red",))
    recorder.flow_run("late", state=StateType.FAILED, state_name="TimedOut")
    found = dalsegno("flow-run", "ls", *arguments, "--output", "json").json
    assert [row["name"] for row in found] == names


def test_a_list_that_was_cut_says_how_to_see_the_rest(dalsegno: Dalsegno, recorder: Recorder) -> None:
    for number in range(3):
        recorder.flow_run(f"run-{number}")
    assert "Only the first 2; --all shows the rest." in dalsegno("flow-run", "ls", "--limit", "2").output
    assert "Only the first" not in dalsegno("flow-run", "ls", "--limit", "3").output
    assert len(dalsegno("flow-run", "ls", "-n", "1", "--all", "-o", "json").json) == 3


def test_nested_runs_are_listed_when_asked_for(dalsegno: Dalsegno, recorder: Recorder) -> None:
    outer = recorder.flow_run("outer")
    recorder.flow_run("inner", parent=outer)
    assert [row["name"] for row in dalsegno("flow-run", "ls", "-o", "json").json] == ["outer"]
    assert {row["name"] for row in dalsegno("flow-run", "ls", "--nested", "-o", "json").json} == {
        "outer",
        "inner",
    }


def test_the_page_of_a_failed_run_has_what_one_needs_to_go_on(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run(
        state=StateType.FAILED, message="ValueError: no folder", parameters={"day": "2026-01-31", "limit": 3}
    )
    recorder.task_run(id)
    recorder.task_run(id, name="clean-5a2")
    failed = recorder.task_run(id, "load-9f5", task="load", state=StateType.FAILED, message="ValueError: x\nmore")
    done = dalsegno("flow-run", "inspect", id_text(id))
    assert done.code == 0
    for text in (
        "✗ Failed",
        "ValueError: no folder",
        'day = "2026-01-31"',
        "limit = 3",
        "2 Completed, 1 Failed",
        "/home/me/nightly.py:nightly",
        f"{recorder.process.pid} on {recorder.process.host}",
        f"✗ Failed  load-9f5  {id_text(failed)}",
        "      ValueError: x\n      more",
        f"dalsegno flow-run retry {id_text(id)}",
        "(just now)",
    ):
        assert text in done.output


def test_a_completed_run_is_not_offered_for_retry(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run()
    assert "retry" not in dalsegno("flow-run", "inspect", "last").output


def test_a_run_without_an_entry_point_says_why(dalsegno: Dalsegno, recorder: Recorder) -> None:
    entry = EntryPoint(None, "/work", "/usr/bin/python3", "it was called in a notebook")
    recorder.flow_run(state=StateType.FAILED, entry=entry)
    page = dalsegno("flow-run", "inspect", "last").output
    assert "it was called in a notebook" in page
    assert "dalsegno flow-run retry" not in page


def test_inspect_as_json_is_one_object_with_history_and_counts(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run()
    recorder.task_run(id)
    found = dalsegno("flow-run", "inspect", "last", "--output", "json").json
    assert [state["name"] for state in found["states"]] == ["Running", "Completed"]
    assert found["task_run_counts"] == {"Completed": 1}
    assert found["entry"]["entrypoint"] == "/home/me/nightly.py:nightly"
    assert found["process"]["id"] == id_text(recorder.process.id)


def test_the_run_of_a_process_that_is_gone_is_shown_as_crashed(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.process = msgspec.structs.replace(recorder.process, id=bytes(16), pid=2**22 - 1, start_time=1.0)
    recorder.flow_run(state=StateType.RUNNING)
    (row,) = dalsegno("flow-run", "ls", "-o", "json").json
    assert row["state"]["type"] == "CRASHED"


def test_cancelling_a_live_run_leaves_the_wish_for_its_process(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run(state=StateType.RUNNING)
    done = dalsegno("flow-run", "cancel", "last")
    assert done.code == 0
    assert "is being cancelled" in done.output
    assert recorder.backend.heartbeat(recorder.process.id, {id: 1}).cancel == [id]


def test_cancelling_what_has_ended_says_so(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run("gone-gull")
    done = dalsegno("flow-run", "cancel", "gone-gull")
    assert (done.code, done.output) == (0, "Flow run 'gone-gull' had already ended: Completed.\n")


def test_deleting_takes_a_run_and_what_belongs_to_it(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run()
    task_run = recorder.task_run(id)
    other = recorder.flow_run("other")
    assert dalsegno("flow-run", "delete", id_text(id)).code == 0
    assert recorder.backend.read_flow_run(id) is None
    assert recorder.backend.read_task_run(task_run) is None
    assert recorder.backend.read_flow_run(other) is not None


def test_a_run_that_goes_on_is_not_deleted(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run("busy-bee", state=StateType.RUNNING)
    done = dalsegno("flow-run", "delete", "busy-bee")
    assert done.code == 2
    assert "'busy-bee' is Running" in done.errors
    assert f"dalsegno flow-run cancel {id_text(id)}" in done.errors
    assert recorder.backend.read_flow_run(id) is not None


def test_a_nested_run_is_deleted_with_its_root_only(dalsegno: Dalsegno, recorder: Recorder) -> None:
    outer = recorder.flow_run("outer")
    recorder.flow_run("inner", parent=outer)
    done = dalsegno("flow-run", "delete", "inner")
    assert done.code == 2
    assert f"belongs to flow run {id_text(outer)}" in done.errors
    assert dalsegno("flow-run", "delete", "outer").code == 0
    assert dalsegno("flow-run", "ls", "--nested", "-o", "json").json == []


def test_deleting_nothing_in_particular_is_refused(dalsegno: Dalsegno) -> None:
    done = dalsegno("flow-run", "delete")
    assert done.code == 2
    assert done.errors.startswith("Error: ")
