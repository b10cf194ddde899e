"""What tasks log, print and leave in other processes belongs to their runs all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dalsegno._backend.connect import connect
from dalsegno.model.views import Page, RunFilter

SCRIPT = """
from dalsegno.artifacts import create_markdown_artifact
from dalsegno.flows import flow
from dalsegno.logging import get_run_logger
from dalsegno.runtime import flow_run, task_run
from dalsegno.task_runners import ProcessPoolTaskRunner
from dalsegno.tasks import task

@task
def work(number):
    get_run_logger().info("logged %d in %s of %s", number, task_run.task_name, flow_run.name)
    print("printed", number)
    create_markdown_artifact(f"left {number}")

@flow(log_prints=True, flow_run_name="spread", task_runner=ProcessPoolTaskRunner(max_workers=2))
def spread():
    work.map([1, 2]).wait()

if __name__ == "__main__":
    spread()
"""


def test_lines_prints_and_artifacts_of_other_processes_are_recorded(tmp_path: Path) -> None:
    script = tmp_path / "spread.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    backend = connect()
    found = {
        tuple(line.message for line in backend.list_logs(task_run_id=run.id))
        for run in backend.list_task_runs(RunFilter(), Page())
    }
    assert found == {(f"logged {n} in work of spread", f"printed {n}") for n in (1, 2)}
    assert sorted(artifact.data for artifact in backend.list_artifacts(page=Page())) == [
        '"left 1"',
        '"left 2"',
    ]
