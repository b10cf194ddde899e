"""What the harness starts, it ends; what cannot be run here is left out; who is measured with which server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))

import catalogue  # noqa: E402
import measure  # noqa: E402
import run  # noqa: E402

LEAVES_A_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=open("child", "w"), flush=True)
"""
STARTS_A_SERVER = """
import subprocess, sys, time
sys.path.insert(0, sys.argv[1])
import serving
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"],
    start_new_session=True, preexec_fn=serving.die_with_parent,
)
print(child.pid, flush=True)
time.sleep(600)
"""


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_what_a_case_leaves_behind_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVES_A_CHILD]
    sample = measure.run_process(command, environment=os.environ, directory=tmp_path, limit_seconds=60)
    assert sample.failure is None
    until(lambda: is_gone(int((tmp_path / "child").read_text())))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_server_does_not_outlive_a_benchmark_that_was_killed() -> None:
    shared = str(BENCH / "cases" / "shared")
    with subprocess.Popen([sys.executable, "-c", STARTS_A_SERVER, shared], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert not is_gone(server)
        parent.send_signal(signal.SIGKILL)
        until(lambda: is_gone(server))


def test_without_postgresql_its_cases_are_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "find_binaries", lambda: None)
    left = run.that_can_run(list(catalogue.CASES))
    assert {case.name for case in left} == {case.name for case in catalogue.CASES if "postgresql" not in case.name}
    assert "PostgreSQL is not installed: server_start_on_postgresql, " in capsys.readouterr().err


def test_who_is_measured_with_which_server() -> None:
    cases = {case.name: case for case in catalogue.CASES}
    assert [cases["direct_1000"].server_of(peer) for peer in ("dalsegno", "prefect", "dbos")] == ["", "sqlite", ""]
    assert cases["hello_cold"].server_of("prefect") == ""
    served = cases["direct_1000_on_postgresql"]
    assert [served.server_of(peer) for peer in ("dalsegno", "prefect", "dbos")] == ["postgresql", "postgresql", ""]
    assert cases["server_start_on_sqlite"].server_of("prefect") == ""
