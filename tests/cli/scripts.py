"""Scripts of flows for the tests, and running the command line on them in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dalsegno._backend.changes import Changes
from dalsegno._backend.connect import connect
from dalsegno.model.views import FlowRunView, Page, RunFilter

PROGRAM = [sys.executable, "-m", "dalsegno.cli"]

NIGHTLY = '''
"""Counts how often each task ran, in a file for each; `load` fails while there is a file called broken."""

from __future__ import annotations

from pathlib import Path

from dalsegno import flow, task


def count(name: str) -> None:
    with open(f"{name}.ran", "a") as file:
        file.write("x")


@task
def extract(day: str) -> list[int]:
    count("extract")
    return [1, 2, 3]


@task
def double(number: int) -> int:
    count("double")
    return 2 * number


@task
def load(numbers: list[int]) -> int:
    count("load")
    if Path("broken").exists():
        raise ValueError("broken is there")
    return sum(numbers)


@flow
def nightly(day: str = "2026-01-31", factor: int = 1) -> int:
    doubled = [double.submit(number * factor) for number in extract(day)]
    total = load([one.result() for one in doubled])
    print(f"loaded {total} of {day}")
    return total


if __name__ == "__main__":
    raise SystemExit("the main block was run")
'''

WAITING = '''
"""Waits until there is a file called go_on."""

from __future__ import annotations

import time
from pathlib import Path

from dalsegno import flow, task


@task
def first() -> int:
    with open("first.ran", "a") as file:
        file.write("x")
    return 1


@task
def wait() -> None:
    Path("waiting").touch()
    while not Path("go_on").exists():
        time.sleep(0.02)


def cancelled(flow, flow_run, state) -> None:
    Path("hook").write_text(state.name)


@flow(on_cancellation=[cancelled])
def waiting() -> int:
    number = first()
    wait()
    return number
'''


class Folder:
    """A folder with scripts, where commands are run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def ran(self, task: str) -> int:
        """Tell how often the body of a task ran."""
        path = self.path / f"{task}.ran"
        return len(path.read_text()) if path.exists() else 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self._run([*PROGRAM, *arguments])

    def run_python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program, given as text, to its end."""
        return self._run([sys.executable, "-c", program, *arguments])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, timeout=60, check=False)

    def start(self, *arguments: str) -> Started:
        """Start a command."""
        return Started(self.path, arguments)


class Started:
    """A command that goes on in another process; ended with the test."""

    def __init__(self, folder: Path, arguments: tuple[str, ...]) -> None:
        # Without the tests' own handler of interrupts, as in a shell.
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def interrupt(self) -> None:
        os.kill(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; give the exit code, standard output and standard error."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


def wait_for_run(happened: Callable[[FlowRunView], bool]) -> FlowRunView:
    """Wait until something is true of the newest flow run in the database."""
    backend = connect()
    for _ in Changes(backend):
        newest = backend.list_flow_runs(RunFilter(top_level=True), Page(limit=1))
        run = backend.read_flow_run(newest[0].id) if newest else None
        if run is not None and happened(run):
            return run
    raise AssertionError("changes never end")


def wait_for_task(name: str) -> FlowRunView:
    """Wait until a task of that name runs in the newest flow run."""
    backend = connect()

    def runs(run: FlowRunView) -> bool:
        found = backend.list_task_runs(RunFilter(root_run_ids=[run.id], task_names=[name]), Page(limit=1))
        return bool(found) and found[0].state.name == "Running"

    return wait_for_run(runs)
