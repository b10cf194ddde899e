"""A retried run writes its artifacts anew and doubles none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dalsegno._backend.connect import connect
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page, RunFilter

SCRIPT = """
import os
from dalsegno.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from dalsegno.flows import flow
from dalsegno.tasks import task

@task
def count():
    create_markdown_artifact("12 orders", key="count")

@task
def load():
    progress = create_progress_artifact(0, key="load")
    update_progress_artifact(progress, 50)
    if "BROKEN" in os.environ:
        raise ValueError("no room")
    update_progress_artifact(progress, 100)

@flow
def nightly():
    create_markdown_artifact("broken" if "BROKEN" in os.environ else "mended", key="report")
    create_markdown_artifact("without a key")
    count()
    load()
    create_markdown_artifact("the end", key="report")

if __name__ == "__main__":
    nightly()
"""
RETRY = "import sys; from dalsegno.flow_runs import retry_flow_run; retry_flow_run(sys.argv[1])"


def artifacts() -> dict[bytes, tuple[str | None, str]]:
    return {found.id: (found.key, found.data) for found in connect().list_artifacts(page=Page())}


def test_a_retried_run_keeps_the_ids_of_its_artifacts(tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text(SCRIPT, encoding="utf-8")
    broken = {**os.environ, "BROKEN": "1"}
    first = subprocess.run([sys.executable, script], env=broken, capture_output=True, text=True, check=False)
    assert "no room" in first.stderr
    before = artifacts()
    assert sorted(before.values(), key=str) == [
        ("count", '"12 orders"'),
        ("load", "50.0"),
        ("report", '"broken"'),
        (None, '"without a key"'),
    ]
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    retry = [sys.executable, "-c", RETRY, id_text(run.id)]
    second = subprocess.run(retry, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    after = artifacts()
    assert sorted(after.values(), key=str) == [
        ("count", '"12 orders"'),
        ("load", "100.0"),
        ("report", '"mended"'),
        ("report", '"the end"'),
        (None, '"without a key"'),
    ]
    assert before.keys() < after.keys()
