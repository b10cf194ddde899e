"""The gate of .ci/run lets a run count only if every test of the repository ran and passed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / ".ci" / "gate.py"

PROJECT = """
import pytest

def test_quick():
    pass

@pytest.mark.slow
def test_slow():
    pass
"""
CONFIG = "[pytest]\nmarkers = slow\n"


class Project:
    """A small project with its own tests, run under the gate as .ci/run does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allowed = folder / "allowed.txt"
        self.minimum = folder / "minimum"
        self.allowed.write_text("# none\n")
        self.minimum.write_text("1\n")
        (folder / "pytest.ini").write_text(CONFIG)
        self.write(PROJECT)

    def write(self, source: str, name: str = "test_it.py") -> None:
        (self.folder / name).write_text(source)

    def run_pytest(self, record: str, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["PYTHONPATH"] = str(GATE.parent)
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "gate", f"--gate-record={record}", *arguments]
        subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, check=False)

    def check(self, *fast: str) -> tuple[int, str]:
        """Collect, run the quick tests (with the arguments `fast`) and the slow ones, give the verdict."""
        self.run_pytest("collected", "--collect-only")
        self.run_pytest("quick", "-m", "not slow", *fast)
        self.run_pytest("slow", "-m", "slow")
        command = [sys.executable, str(GATE), "--minimum", str(self.minimum), "--allow", str(self.allowed)]
        done = subprocess.run(
            [*command, "collected", "quick", "slow"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


def test_a_run_in_which_all_tests_passed_counts(project: Project) -> None:
    code, output = project.check("-p", "xdist", "-n", "2")
    assert (code, output) == (0, "gate: 2 tests collected (at least 1 wanted): every one ran and passed\n")


def test_a_failed_test_is_a_fault(project: Project) -> None:
    project.write(PROJECT + "\ndef test_wrong():\n    assert False\n")
    code, output = project.check("-p", "xdist", "-n", "2")
    assert code == 1
    assert "gate: failed: test_it.py::test_wrong" in output


def test_a_failure_of_a_fixture_after_the_test_is_a_fault(project: Project) -> None:
    fixture = "\n@pytest.fixture\ndef leaky():\n    yield\n    assert False\n"
    project.write(PROJECT + fixture + "\ndef test_leaks(leaky):\n    pass\n")
    code, output = project.check()
    assert code == 1
    assert "gate: failed: test_it.py::test_leaks" in output


@pytest.mark.parametrize(
    ("decorator", "fault"),
    [
        ("@pytest.mark.skip(reason='later')", "gate: skipped: test_it.py::test_shy (Skipped: later)"),
        ("@pytest.mark.xfail(reason='known')", "gate: xfailed: test_it.py::test_shy known"),
    ],
)
def test_a_test_that_was_skipped_or_expected_to_fail_is_a_fault(project: Project, decorator: str, fault: str) -> None:
    project.write(PROJECT + f"\n{decorator}\ndef test_shy():\n    assert False\n")
    code, output = project.check("-p", "xdist", "-n", "2")
    assert code == 1
    assert fault in output


def test_a_module_that_skips_itself_is_a_fault(project: Project) -> None:
    project.write("import pytest\npytest.importorskip('no_such_module')\n", "test_shy.py")
    code, output = project.check()
    assert code == 1
    assert "gate: skipped while collecting: test_shy.py" in output


def test_a_module_that_cannot_be_imported_is_a_fault(project: Project) -> None:
    project.write("import no_such_module\n", "test_broken.py")
    code, output = project.check()
    assert code == 1
    assert "gate: failed while collecting: test_broken.py" in output


def test_a_test_that_neither_run_selected_is_a_fault(project: Project) -> None:
    code, output = project.check("--deselect", "test_it.py::test_quick")
    assert code == 1
    assert "gate: never ran: test_it.py::test_quick" in output


def test_a_deselection_in_the_configuration_is_a_fault(project: Project) -> None:
    (project.folder / "pytest.ini").write_text(CONFIG + "addopts = -k slow\n")
    code, output = project.check()
    assert code == 1
    assert "gate: deselected while collecting: test_it.py::test_quick" in output


def test_fewer_tests_than_the_committed_number_is_a_fault(project: Project) -> None:
    project.minimum.write_text("3\n")
    code, output = project.check()
    assert code == 1
    assert "gate: 2 tests were collected; .ci/minimum-tests asks for 3" in output


def test_a_run_that_was_cut_off_is_a_fault(project: Project) -> None:
    project.write("import os\n\ndef test_first():\n    pass\n\ndef test_dies():\n    os._exit(0)\n")
    code, output = project.check()
    assert code == 1
    assert "gate: never ran: test_it.py::test_dies" in output
    assert "test_first" not in output


def test_a_skip_is_accepted_only_by_name_and_with_a_reason(project: Project) -> None:
    project.write(PROJECT + "\n@pytest.mark.skip(reason='macOS only')\ndef test_mac():\n    pass\n")
    project.allowed.write_text("test_it.py::test_mac | needs macOS\n")
    assert project.check()[0] == 0
    project.allowed.write_text("test_it.py::test_mac\n")
    code, output = project.check()
    assert code == 1
    assert "has no reason" in output


def test_the_committed_minimum_is_one_positive_integer() -> None:
    assert int((GATE.parent / "minimum-tests").read_text()) > 0
