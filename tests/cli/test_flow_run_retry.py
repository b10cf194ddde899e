"""`dalsegno flow-run retry` and `task-run set-result` on real scripts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder
from tests.cli.scripts import NIGHTLY, Folder


@pytest.fixture
def failed(folder: Folder) -> Folder:
    """Give a folder in which a run of `nightly` has failed in its last task; its cause is mended."""
    folder.write("broken", "")
    assert folder.run("run", "nightly.py").returncode == 1
    (folder.path / "broken").unlink()
    return folder


def counts(folder: Folder) -> tuple[int, int, int]:
    """Tell how often each body has run since the beginning."""
    return folder.ran("extract"), folder.ran("double"), folder.ran("load")


def test_what_completed_is_not_run_again(failed: Folder, dalsegno: Dalsegno) -> None:
    done = failed.run("flow-run", "retry", "last")
    assert (done.returncode, done.stdout) == (0, "loaded 12 of 2026-01-31\n"), done.stderr
    assert "✓ Completed  nightly  " in done.stderr
    assert counts(failed) == (1, 3, 2)
    (row,) = dalsegno("flow-run", "ls", "-o", "json").json
    assert (row["attempt"], row["state"]["type"]) == (2, "COMPLETED")


def test_a_run_that_fails_again_is_failed_again(failed: Folder) -> None:
    failed.write("broken", "")
    done = failed.run("flow-run", "retry", "last")
    assert done.returncode == 1
    assert "broken is there" in done.stderr
    assert counts(failed) == (1, 3, 2)


def test_a_run_is_executed_in_the_folder_that_it_was_begun_in(failed: Folder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = Folder(tmp_path / "elsewhere").run("flow-run", "retry", "last")
    assert done.returncode == 0, done.stderr
    assert counts(failed) == (1, 3, 2)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_from_a_task_on_everything_runs_again(failed: Folder) -> None:
    assert failed.run("flow-run", "retry", "last", "--from", "double").returncode == 0
    assert counts(failed) == (1, 6, 2)


def test_from_a_task_run_by_its_name_or_the_beginning_of_its_id(failed: Folder, dalsegno: Dalsegno) -> None:
    first, *_ = reversed(dalsegno("task-run", "ls", "--task", "double", "-o", "json").json)
    assert failed.run("flow-run", "retry", "last", "--from", first["name"]).returncode == 0
    assert counts(failed) == (1, 4, 2)
    done = failed.run("flow-run", "retry", "last", "--from", first["id"][:-1])
    assert done.returncode == 0, done.stderr
    assert failed.ran("double") == 5


def test_from_what_fits_several_task_runs_is_refused(failed: Folder, dalsegno: Dalsegno) -> None:
    id = dalsegno("flow-run", "inspect", "last", "-o", "json").json["id"]
    done = failed.run("flow-run", "retry", "last", "--from", id[:6])
    assert done.returncode == 2
    assert "fits more than one task run" in done.stderr


def test_from_a_task_that_is_not_there_is_not_found(failed: Folder) -> None:
    done = failed.run("flow-run", "retry", "last", "--from", "nope")
    assert done.returncode == 5
    assert "has no task or task run nope" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_from_scratch_everything_runs_again(failed: Folder) -> None:
    assert failed.run("flow-run", "retry", "last", "--scratch").returncode == 0
    assert counts(failed) == (2, 6, 2)


def test_what_changed_runs_again_when_asked(failed: Folder) -> None:
    failed.write("nightly.py", NIGHTLY.replace("return 2 * number", "return 3 * number"))
    done = failed.run("flow-run", "retry", "last", "--changed")
    assert (done.returncode, done.stdout) == (0, "loaded 18 of 2026-01-31\n"), done.stderr
    assert counts(failed) == (1, 6, 2)


def test_other_parameters_make_a_new_run_that_starts_from_the_old(failed: Folder, dalsegno: Dalsegno) -> None:
    done = failed.run("flow-run", "retry", "last", "-p", "factor=2")
    assert (done.returncode, done.stdout) == (0, "loaded 24 of 2026-01-31\n"), done.stderr
    new, old = dalsegno("flow-run", "ls", "-o", "json").json
    assert (old["state"]["type"], new["state"]["type"]) == ("FAILED", "COMPLETED")
    assert new["forked_from"] == old["id"]
    assert new["parameters"] == {"day": "2026-01-31", "factor": 2}
    assert failed.ran("extract") == 1


def test_a_result_given_by_hand_is_gone_on_with(failed: Folder, dalsegno: Dalsegno) -> None:
    failed.write("broken", "")
    (row,) = dalsegno("task-run", "ls", "--state", "failed", "-o", "json").json
    done = dalsegno("task-run", "set-result", row["name"], "120")
    assert done.code == 0, done.errors
    assert f"dalsegno flow-run retry {row['root_run_id']}" in done.output
    assert dalsegno("task-run", "inspect", row["name"], "-o", "json").json["result"] == {"value": 120}
    retried = failed.run("flow-run", "retry", "last")
    assert (retried.returncode, retried.stdout) == (0, "loaded 120 of 2026-01-31\n"), retried.stderr
    assert counts(failed) == (1, 3, 1)


def test_a_result_that_is_no_json_is_refused(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.task_run(recorder.flow_run(), "load-1")
    done = dalsegno("task-run", "set-result", "load-1", "{rows: 1}")
    assert done.code == 2
    assert "The result is no JSON" in done.errors


def test_scratch_goes_with_nothing_else(dalsegno: Dalsegno) -> None:
    done = dalsegno("flow-run", "retry", "last", "--scratch", "--changed")
    assert done.code == 2
    assert "--scratch runs everything again" in done.errors


def test_a_script_that_is_gone_is_said(failed: Folder) -> None:
    (failed.path / "nightly.py").unlink()
    done = failed.run("flow-run", "retry", "last")
    assert done.returncode == 5
    assert "There is no file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_script_that_is_broken_is_shown_without_our_frames(failed: Folder, dalsegno: Dalsegno) -> None:
    failed.write("nightly.py", NIGHTLY + "\n1 / 0\n")
    done = failed.run("flow-run", "retry", "last")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "/cli/" not in done.stderr
    assert dalsegno("flow-run", "inspect", "last", "-o", "json").json["attempt"] == 1


def test_the_interpreter_that_the_run_was_begun_with_executes_it(
    failed: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other-python"
    other.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    # As it is when the command is installed somewhere else than the flow's packages.
    elsewhere = f"import sys; sys.executable = {str(other)!r}; from dalsegno.cli import main; sys.exit(main())"
    failed.write("broken", "")
    begun = failed.run_python(elsewhere, "run", "nightly.py")
    assert begun.returncode == 1, begun.stderr
    (failed.path / "broken").unlink()
    done = failed.run("flow-run", "retry", "last")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "used").exists()
    assert failed.ran("extract") == 2


def test_an_interpreter_that_is_gone_is_said_and_done_without(failed: Folder) -> None:
    elsewhere = "import sys; sys.executable = '/gone/python'; from dalsegno.cli import main; sys.exit(main())"
    failed.write("broken", "")
    assert failed.run_python(elsewhere, "run", "nightly.py").returncode == 1
    (failed.path / "broken").unlink()
    done = failed.run("flow-run", "retry", "last")
    assert done.returncode == 0, done.stderr
    assert f"The interpreter of this run, /gone/python, is gone; going on with {sys.executable}" in done.stderr


def test_a_folder_that_is_gone_is_said(failed: Folder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.rename(failed.path / "nightly.py", elsewhere / "nightly.py")
    begun = Folder(elsewhere)
    begun.write("broken", "")
    (tmp_path / "begun").mkdir()
    assert Folder(tmp_path / "begun").run("run", str(elsewhere / "nightly.py")).returncode == 0
    for name in ("extract.ran", "double.ran", "load.ran"):
        (tmp_path / "begun" / name).unlink()
    (tmp_path / "begun").rmdir()
    done = begun.run("flow-run", "retry", "last", "--from", "load")
    assert f"The folder of this run, {tmp_path / 'begun'}, is gone; going on in {elsewhere}" in done.stderr
    assert done.returncode == 1
