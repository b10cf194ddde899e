"""`dalsegno flow-run export` and `import`: a run is carried to another database, inspected and retried there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder
from tests.cli.scripts import Folder
from tests.served import serving

from dalsegno._backend import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.states import StateType

SCRIPT = """
import os
from pathlib import Path
from dalsegno import flow, get_run_logger, task
from dalsegno.artifacts import create_markdown_artifact

def note(name):
    with open("bodies.txt", "a") as file:
        file.write(name + "\\n")

@task(tags=["first"])
def small(): note("small"); get_run_logger().info("A small one"); return {"a": 1}
@task
def middle(): note("middle"); return "m" * 100_000
@task
def large(): note("large"); return "x" * 2_000_000
@task
def last(given, middle, large):
    note("last")
    create_markdown_artifact("# Report", key="report")
    if not Path("ready").exists():
        raise ValueError("not ready")
    return len(middle) + len(large)
@flow
def nested(): return small()
@flow(name="carried")
def carried(times: int = 2):
    return last(nested(), middle(), large())
"""
LAYERS = ["sqlite", "postgresql", "server"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def place(
    kind: str, name: str, request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path
) -> dict[str, str | None]:
    """Give the settings that lead to a database, or a server, of its own."""
    if kind == "postgresql":
        return {"DALSEGNO_DATABASE_URL": request.getfixturevalue("postgres_url"), "DALSEGNO_API_URL": None}
    if kind == "sqlite":
        return {"DALSEGNO_DATABASE_URL": f"sqlite:///{tmp_path / name}.db", "DALSEGNO_API_URL": None}
    backend = StoreBackend.in_memory()
    stack.callback(backend.close)
    return {"DALSEGNO_API_URL": stack.enter_context(serving(backend))}


def go_to(where: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conftest import close_embedded_backend

    close_embedded_backend()
    for name, value in where.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def comparable(found: Any) -> Any:
    """Leave out what differs by place: under which id the process is noted, where a result lies."""
    if isinstance(found, dict):
        fields = cast("dict[str, Any]", found)
        kept = {key: comparable(value) for key, value in fields.items() if key not in ("process", "result")}
        if fields.get("process"):
            kept["process"] = {key: value for key, value in fields["process"].items() if key != "id"}
        return kept
    return [comparable(each) for each in cast("list[Any]", found)] if isinstance(found, list) else found


def picture(dalsegno: Dalsegno, run: str) -> Any:
    """All that is shown of a run."""
    tasks = dalsegno("task-run", "ls", "--all", "--flow-run", run, "-o", "json").json
    return comparable(
        {
            "flow": dalsegno("flow-run", "inspect", run, "-o", "json").json,
            "flows": dalsegno("flow-run", "ls", "--nested", "--all", "-o", "json").json,
            "tasks": [dalsegno("task-run", "inspect", each["id"], "-o", "json").json for each in tasks],
            "logs": dalsegno("flow-run", "logs", run).output,
            "artifacts": dalsegno("artifact", "ls", "-o", "json").json,
        }
    )


@pytest.mark.parametrize("target", LAYERS)
@pytest.mark.parametrize("source", ["sqlite", "server"])
def test_a_run_is_carried_and_retried_elsewhere(
    source: str,
    target: str,
    request: pytest.FixtureRequest,
    stack: ExitStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dalsegno: Dalsegno,
    folder: Folder,
) -> None:
    folder.write("carried.py", SCRIPT)
    go_to(place(source, "source", request, stack, tmp_path), monkeypatch)
    assert dalsegno("run", "carried.py:carried").code == 1
    run = dalsegno("flow-run", "inspect", "last", "-o", "json").json["id"]
    there = picture(dalsegno, run)
    file = tmp_path / "carried.run"
    done = dalsegno("flow-run", "export", run, str(file))
    assert done.code == 0, done.errors
    assert "2 flow runs, 5 task runs" in done.output
    assert "1 artifacts" in done.output
    assert "Left out" not in done.output
    assert "--force" in dalsegno("flow-run", "export", run, str(file)).errors

    go_to(place(target, "target", request, stack, tmp_path), monkeypatch)
    # Elsewhere: the files of its results are not there, nor is the key.
    monkeypatch.setenv("DALSEGNO_HOME", str(tmp_path / "laptop"))
    done = dalsegno("flow-run", "import", str(file))
    assert done.code == 0, done.errors
    assert picture(dalsegno, run) == there
    again = dalsegno("flow-run", "import", str(file))
    assert (again.code, "is in this database already" in again.errors) == (2, True)

    Path("ready").touch()
    Path("bodies.txt").unlink()
    retried = dalsegno("flow-run", "retry", run)
    assert retried.code == 0, retried.errors
    # What had completed is taken from what was carried.
    assert Path("bodies.txt").read_text() == "last\n"
    (last,) = dalsegno("task-run", "ls", "--task", "last", "-o", "json").json
    assert dalsegno("task-run", "inspect", last["id"], "-o", "json").json["result"] == {"value": 2_100_000}
    assert dalsegno("flow-run", "delete", run, "--yes").code == 0
    assert dalsegno("flow-run", "import", str(file)).code == 0


@pytest.fixture
def other(tmp_path: Path) -> dict[str, str | None]:
    return {"DALSEGNO_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"}


def test_signed_pickles_are_said_and_verify_only_with_their_key(
    other: dict[str, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dalsegno: Dalsegno,
    folder: Folder,
) -> None:
    folder.write(
        "sets.py",
        "from pathlib import Path\nfrom dalsegno import flow, task\n@task\ndef some(): return {1, 2}\n"
        "@task\ndef check(given): assert Path('ready').exists(); return len(given)\n"
        "@flow\ndef sets(): return check(some())\n",
    )
    assert dalsegno("run", "sets.py").code == 1
    file = tmp_path / "sets.run"
    assert "1 results are signed pickles" in dalsegno("flow-run", "export", "last", str(file)).output
    go_to(other, monkeypatch)
    done = dalsegno("flow-run", "import", str(file))
    assert "only if the key that signed them is here too" in done.output
    Path("ready").touch()
    # The home and its key are the same.
    assert dalsegno("flow-run", "retry", "last").code == 0


def test_large_files_are_left_out_and_named(tmp_path: Path, dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("carried.py", SCRIPT)
    assert dalsegno("run", "carried.py:carried").code == 1
    done = dalsegno("flow-run", "export", "last", str(tmp_path / "a.run"), "--file-limit", "1")
    assert done.code == 0
    (line,) = [line for line in done.output.splitlines() if line.startswith("Left out")]
    assert "task run 'large-" in line
    assert "--file-limit includes it" in line
    for gone in (tmp_path / "home" / "results").rglob("*.result"):
        gone.unlink()
    done = dalsegno("flow-run", "export", "last", str(tmp_path / "b.run"))
    assert "Left out: the result of task run 'large-" in done.output
    assert "is gone" in done.output


def test_only_runs_that_have_ended_go(dalsegno: Dalsegno, recorder: Recorder, tmp_path: Path) -> None:
    recorder.flow_run(state=StateType.RUNNING)
    done = dalsegno("flow-run", "export", "last", str(tmp_path / "x.run"))
    assert (done.code, "export it when it has ended" in done.errors) == (2, True)
    assert not (tmp_path / "x.run").exists()


def test_a_nested_run_goes_with_its_root(
    dalsegno: Dalsegno,
    recorder: Recorder,
    tmp_path: Path,
    other: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = recorder.flow_run("root-run")
    recorder.flow_run("nested-run", parent=root)
    assert "2 flow runs" in dalsegno("flow-run", "export", "nested-run", str(tmp_path / "x.run")).output
    go_to(other, monkeypatch)
    assert "Flow run 'root-run' of 'nightly'" in dalsegno("flow-run", "import", str(tmp_path / "x.run")).output
    connect.close_all()


def test_what_is_damaged_or_foreign_imports_nothing(
    dalsegno: Dalsegno,
    recorder: Recorder,
    tmp_path: Path,
    other: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = recorder.flow_run()
    for _ in range(3):
        recorder.task_run(run)
    file = tmp_path / "x.run"
    assert dalsegno("flow-run", "export", "last", str(file)).code == 0
    whole = file.read_bytes()
    go_to(other, monkeypatch)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged, said in (
        (whole[:-1], "not whole"),
        (whole[:-100], "not whole"),
        (bytes(flipped), "damaged"),
        (b"else", "was not written by"),
        (whole[:18], "not whole"),
    ):
        file.write_bytes(damaged)
        done = dalsegno("flow-run", "import", str(file))
        assert (done.code, said in done.errors) == (2, True), done.errors
    assert dalsegno("flow-run", "import", str(tmp_path / "missing")).code == 5
    assert dalsegno("flow-run", "ls", "-o", "json").json == []


def test_a_file_of_a_later_format_says_so(
    dalsegno: Dalsegno, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dalsegno.cli import run_file

    recorder.flow_run()
    monkeypatch.setattr(run_file, "FORMAT", 2)
    assert dalsegno("flow-run", "export", "last", str(tmp_path / "x.run")).code == 0
    monkeypatch.setattr(run_file, "FORMAT", 1)
    done = dalsegno("flow-run", "import", str(tmp_path / "x.run"))
    assert (done.code, "reads up to format 1" in done.errors) == (2, True)


def test_an_import_that_was_broken_off_goes_on(
    dalsegno: Dalsegno,
    recorder: Recorder,
    tmp_path: Path,
    other: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dalsegno.cli import run_file

    run = recorder.flow_run()
    recorder.task_run(run)
    assert dalsegno("flow-run", "export", "last", str(tmp_path / "x.run")).code == 0
    go_to(other, monkeypatch)
    with run_file.opened(tmp_path / "x.run") as (_, batches):
        connect.connect().deliver(next(batches))
    assert dalsegno("flow-run", "import", str(tmp_path / "x.run")).code == 0
    assert [each["name"] for each in dalsegno("flow-run", "ls", "-o", "json").json] == ["brave-otter"]
