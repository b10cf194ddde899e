"""`dalsegno artifact ls` and `inspect`."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder

from dalsegno.model.ids import id_text


@pytest.fixture
def run(recorder: Recorder) -> bytes:
    return recorder.flow_run("brave-otter")


def test_without_artifacts_it_says_how_they_are_made(dalsegno: Dalsegno) -> None:
    assert dalsegno("artifact", "ls").output.startswith("No artifacts: a flow makes one with")
    assert dalsegno("artifact", "ls", "-o", "json").json == []


def test_artifacts_are_listed_newest_first(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    recorder.artifact(run, "# Hello", key="report", text="What came of it.")
    table = recorder.artifact(run, [{"a": 1}], type="table")
    lines = dalsegno("artifact", "ls").output.splitlines()
    assert lines[1].split() == f"{id_text(table)} table just now".split()
    assert lines[2].endswith("What came of it.")


def test_artifacts_are_filtered(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    recorder.artifact(run, "old", key="report")
    recorder.artifact(run, "new", key="report")
    recorder.artifact(recorder.flow_run("other"), "else", key="other")

    def data(*arguments: str) -> list[str]:
        return [row["data"] for row in dalsegno("artifact", "ls", *arguments, "-o", "json").json]

    assert data("--key", "report") == ["new", "old"]
    assert data("--flow-run", "brave-otter") == ["new", "old"]
    assert data("--latest") == ["else", "new"]
    assert data("--limit", "1") == ["else"]


def test_an_artifact_is_found_by_key_id_or_beginning(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    recorder.artifact(run, "old", key="report")
    id = recorder.artifact(run, "new", key="report")
    for text in ("report", id_text(id), id_text(id)[:23]):
        assert dalsegno("artifact", "inspect", text, "-o", "json").json["data"] == "new"


@pytest.mark.parametrize("data", [[{"day": 1, "sum": 2.5}], {"day": [1], "sum": [2.5]}])
def test_a_table_is_shown_as_a_table(dalsegno: Dalsegno, recorder: Recorder, run: bytes, data: object) -> None:
    recorder.artifact(run, data, type="table", key="totals")
    page = dalsegno("artifact", "inspect", "totals").output
    assert page.endswith("day  sum\n1    2.5\n")


def test_markdown_and_progress_are_shown_as_they_are(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    recorder.artifact(run, "# Hello\n- there", key="report")
    recorder.artifact(run, 50.0, type="progress", key="half")
    assert dalsegno("artifact", "inspect", "report").output.endswith("\n\n# Hello\n- there\n")
    assert dalsegno("artifact", "inspect", "half").output.endswith("\n\n50 %\n")


def test_an_unknown_artifact_is_not_found(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    recorder.artifact(run, "x", key="report")
    done = dalsegno("artifact", "inspect", "nope")
    assert done.code == 5
    assert "There is no artifact" in done.errors


def test_a_beginning_that_fits_several_lists_them(dalsegno: Dalsegno, recorder: Recorder, run: bytes) -> None:
    first = recorder.artifact(run, "x", key="one")
    recorder.artifact(run, "y", key="two")
    done = dalsegno("artifact", "inspect", id_text(first)[:6])
    assert done.code == 2
    assert f"  {id_text(first)}  markdown  one" in done.errors
