"""`dalsegno task-run ls` and `inspect`."""

from __future__ import annotations

from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder

from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType


def test_without_task_runs_it_says_so(dalsegno: Dalsegno) -> None:
    assert dalsegno("task-run", "ls").output.startswith("No task run matches")
    assert dalsegno("task-run", "ls", "-o", "json").json == []


def test_task_runs_of_a_flow_run_include_those_of_the_flows_that_it_called(
    dalsegno: Dalsegno, recorder: Recorder
) -> None:
    outer = recorder.flow_run("outer")
    inner = recorder.flow_run("inner", parent=outer)
    recorder.task_run(outer, "a-1", task="a")
    recorder.task_run(inner, "b-1", task="b")
    recorder.task_run(recorder.flow_run("other"), "c-1", task="c")

    def names(flow_run: str) -> list[str]:
        rows = dalsegno("task-run", "ls", "--flow-run", flow_run, "-o", "json").json
        return [row["name"] for row in rows]

    assert names("outer") == ["b-1", "a-1"]
    assert names("inner") == ["b-1"]


def test_task_runs_are_filtered_by_state_and_task(dalsegno: Dalsegno, recorder: Recorder) -> None:
    run = recorder.flow_run()
    recorder.task_run(run, "load-1", task="load", state=StateType.FAILED)
    recorder.task_run(run, "clean-1", task="clean")
    recorder.task_run(run, "clean-2", task="clean", state_name="Skipped")

    def names(*arguments: str) -> list[str]:
        return [row["name"] for row in dalsegno("task-run", "ls", *arguments, "-o", "json").json]

    assert names("--state", "failed") == ["load-1"]
    assert names("--state", "skipped") == ["clean-2"]
    assert names("--task", "clean") == ["clean-2", "clean-1"]
    assert names("--name", "clean-1") == ["clean-1"]


def test_the_table_tells_how_often_a_body_ran(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.task_run(recorder.flow_run(), "clean-4f1", state_name="Skipped")
    line = dalsegno("task-run", "ls").output.splitlines()[1]
    assert line.split() == f"{id_text(id)} clean-4f1 » Skipped just now 1.0 s 1".split()


def test_the_page_shows_what_a_task_run_needed_and_gave(dalsegno: Dalsegno, recorder: Recorder) -> None:
    run = recorder.flow_run("brave-otter")
    first = recorder.task_run(run, "extract-111", task="extract", result=[1, 2])
    recorder.task_run(run, "clean-222", result={"good": True}, upstream=[("orders", first)])
    page = dalsegno("task-run", "inspect", "clean-222").output
    assert f"orders: extract-111 {id_text(first)}" in page
    assert '{"good": true}' in page
    assert f"brave-otter  {id_text(run)}" in page


def test_as_json_upstreams_and_results_are_objects(dalsegno: Dalsegno, recorder: Recorder) -> None:
    run = recorder.flow_run()
    first = recorder.task_run(run, "extract-111", task="extract", result={1: b"\x01", "none": None})
    recorder.task_run(run, "clean-222", upstream=[("orders", first)])
    found = dalsegno("task-run", "inspect", "clean-222", "-o", "json").json
    assert found["upstream"] == [{"parameter": "orders", "task_run_id": id_text(first)}]
    assert found["result"] is None
    assert found["fingerprint"] == "00" * 16
    upstream = dalsegno("task-run", "inspect", "extract-111", "-o", "json").json
    assert upstream["result"] == {"value": {"1": "01", "none": None}}
