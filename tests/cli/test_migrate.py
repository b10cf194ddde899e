"""`dalsegno migrate`: which files it reads, what it writes and what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Dalsegno

OLD = b"from prefect import flow  # the flow\n"
NEW = b"from dalsegno import flow  # the flow\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def put(name: str, content: bytes = OLD) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_file_is_rewritten_and_what_changed_is_told(dalsegno: Dalsegno) -> None:
    put("nightly.py", b"import prefect\nfrom prefect.futures import PrefectFuture\n\n\nprefect.flow\n")
    done = dalsegno("migrate", "nightly.py")
    assert (done.code, done.errors) == (0, "")
    assert done.output.splitlines() == [
        "nightly.py: rewritten",
        "  prefect -> dalsegno (line 1, 2, 5)",
        "  PrefectFuture -> Future as PrefectFuture (line 2)",
        "1 of 1 file rewritten.",
    ]
    assert Path("nightly.py").read_text().startswith("import dalsegno\nfrom dalsegno.futures import Future as Pre")
    assert dalsegno("migrate", "nightly.py").output == "0 of 1 file rewritten.\n"


def test_what_is_left_to_a_person_is_told_with_file_and_line(dalsegno: Dalsegno) -> None:
    put("a/nightly.py", b"import os\nfrom prefect import automations\n\nos.environ['PREFECT_API_URL']\n")
    done = dalsegno("migrate", "a")
    assert done.code == 0
    assert done.output.splitlines() == [
        "a/nightly.py: rewritten",
        "  prefect -> dalsegno (line 2)",
        "a/nightly.py:2: prefect.automations has no counterpart in this version",
        "a/nightly.py:4: 'PREFECT_API_URL' is left as it is: texts are not changed",
        "1 of 1 file rewritten; 1 place without a counterpart; 1 place to look at.",
    ]


def test_check_writes_nothing_and_its_exit_code_tells_whether_something_would_change(dalsegno: Dalsegno) -> None:
    path = put("nightly.py")
    done = dalsegno("migrate", "--check", ".")
    assert (done.code, path.read_bytes()) == (1, OLD)
    assert done.output.splitlines()[0] == "nightly.py: would be rewritten"
    assert done.output.splitlines()[-1] == "1 of 1 file would be rewritten."
    path.write_bytes(NEW)
    assert dalsegno("migrate", "--check", ".").code == 0


def test_diff_prints_a_patch_that_makes_the_change_and_writes_nothing(dalsegno: Dalsegno) -> None:
    put("a.py", b"import prefect\r\nx = 1\n\x0cy = prefect.automations")
    put("b.py")
    done = dalsegno("migrate", "--diff", ".")
    assert done.code == 0
    assert Path("b.py").read_bytes() == OLD
    assert done.errors.splitlines() == [
        "a.py:3: prefect.automations has no counterpart in this version",
        "2 of 2 files would be rewritten; 1 place without a counterpart.",
    ]
    assert dalsegno("migrate", "--diff", "--check", ".").code == 1
    put("patch", done.output.encode())
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "apply", "-p0", "patch"], check=True)
    assert Path("a.py").read_bytes() == b"import dalsegno\r\nx = 1\n\x0cy = dalsegno.automations"
    assert Path("b.py").read_bytes() == NEW


def test_a_folder_stands_for_its_python_files_without_those_of_others(dalsegno: Dalsegno) -> None:
    ours = [put(name) for name in ("a.py", "flows/b.py", "flows/deep/c.py")]
    put("mine/pyvenv.cfg", b"")
    others = ["mine/lib/x.py", ".venv/x.py", ".git/x.py", "node_modules/x.py", "x/__pycache__/x.py", "notes.md"]
    others += ["lib/site-packages/x.py"]
    theirs = [put(name) for name in others]
    done = dalsegno("migrate", ".")
    assert done.output.splitlines()[-1] == "3 of 3 files rewritten."
    assert [path.read_bytes() for path in ours] == [NEW] * 3
    assert [path.read_bytes() for path in theirs] == [OLD] * 7


def test_files_that_are_named_are_rewritten_wherever_they_are_and_once(dalsegno: Dalsegno) -> None:
    put(".hidden/script")
    put("a.py")
    done = dalsegno("migrate", ".hidden/script", "a.py", ".", "./a.py")
    assert done.output.splitlines()[-1] == "2 of 2 files rewritten."
    assert Path(".hidden/script").read_bytes() == NEW


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbf" + OLD, b"\xef\xbb\xbf" + NEW),
        (b"# coding: latin-1\n# \xe9\nimport prefect", b"# coding: latin-1\n# \xe9\nimport dalsegno"),
        (
            "é = 1\r\nimport prefect; é, prefect.flow\r\n".encode(),
            "é = 1\r\nimport dalsegno; é, dalsegno.flow\r\n".encode(),
        ),
        (b"import prefect\rprefect.flow\r", b"import dalsegno\rdalsegno.flow\r"),
    ],
    ids=["a byte order mark", "a declared encoding", "Windows", "old Macintosh"],
)
def test_encodings_and_ends_of_lines_stay(dalsegno: Dalsegno, before: bytes, after: bytes) -> None:
    path = put("a.py", before)
    assert dalsegno("migrate", "a.py").code == 0
    assert path.read_bytes() == after


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"import prefect\nprint 1\n", "it is not valid Python"),
        (b"# prefect \xff\n", "its text cannot be read"),
        (b"# coding: nonsense\nimport prefect\n", "its text cannot be read"),
        (b"import prefect\n\0", "Python"),
    ],
)
def test_a_file_that_is_no_python_stays_and_the_others_are_done(
    dalsegno: Dalsegno, content: bytes, reason: str
) -> None:
    bad, good = put("bad.py", content), put("good.py")
    done = dalsegno("migrate", ".")
    assert done.code == 1
    (line,) = done.errors.splitlines()
    assert line.startswith("Not rewritten: bad.py: ")
    assert reason in line
    assert done.output.splitlines()[-1] == "1 of 2 files rewritten; 1 file could not be rewritten."
    assert (bad.read_bytes(), good.read_bytes()) == (content, NEW)


def test_a_file_that_does_not_name_prefect_is_not_even_parsed(dalsegno: Dalsegno) -> None:
    put("a.py", b"print 1 \xff\0")
    assert dalsegno("migrate", "--check", "a.py").code == 0


def test_permissions_and_links_stay_and_nothing_is_left_beside(dalsegno: Dalsegno) -> None:
    path = put("real/a.py")
    path.chmod(0o750)
    link = Path("link.py")
    link.symlink_to(path)
    assert dalsegno("migrate", "link.py").code == 0
    assert link.is_symlink()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (NEW, 0o750)
    assert os.listdir("real") == ["a.py"]


def test_a_file_that_cannot_be_replaced_stays_whole(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    path = put("a.py")
    done = dalsegno("migrate", "a.py")
    assert (done.code, path.read_bytes()) == (1, OLD)
    assert done.errors == "Not rewritten: a.py: No space left on device\n"
    assert os.listdir() == ["a.py"]


def test_what_is_not_there_is_not_found_before_anything_is_written(dalsegno: Dalsegno) -> None:
    path = put("a.py")
    done = dalsegno("migrate", "a.py", "nope")
    assert (done.code, done.errors) == (5, "Error: There is no file or folder 'nope'.\n")
    assert path.read_bytes() == OLD
    assert dalsegno("migrate", "--check").code == 2


FLOW = """import prefect
from prefect import flow, task
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import unmapped


@task
def add(x: int, y: int) -> int:
    return x + y


@flow
def total() -> int:
    futures: list[PrefectFuture[int]] = add.map([1, 2], unmapped(10))
    print(prefect.runtime.flow_run.flow_name)
    return sum(future.result() for future in futures)


if __name__ == "__main__":
    print(total())
"""


def test_a_flow_that_was_rewritten_runs(dalsegno: Dalsegno) -> None:
    put("total.py", FLOW.encode())
    assert dalsegno("migrate", "total.py").code == 0
    done = subprocess.run([sys.executable, "total.py"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["total", "23"]
