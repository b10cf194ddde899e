"""What docs/how-to/move-over.md shows is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dalsegno.cli.rewriting import rewrite

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "move-over.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.*prefect.*`) \| (`.*`) \|$", PAGE, re.MULTILINE)
NIGHTLY = """
from prefect import flow, task
from prefect.runtime import task_run


@task
def load(day):
    print("loading", day, task_run.run_count)
    if task_run.run_count == 1:
        raise ValueError("no such table")
    return day


@flow
def main(day="Monday"):
    return load(day)
"""
RETRY = """
from try_nightly import main
import dalsegno

state = main(return_state=True)
print(state.name, dalsegno.retry_flow_run(state.state_details.flow_run_id))
"""


def code_of(cell: str) -> str:
    """Give the code of a cell of the table, made a program where it is the middle of one."""
    text = "\n".join(part.strip("` ") for part in cell.split("…"))
    if not text.startswith("except"):
        return text
    package = "dalsegno" if "dalsegno" in text else "prefect"
    return f"import {package}\ntry: pass\n{text} pass"


@pytest.mark.parametrize(("before", "after"), ROWS)
def test_migrate_makes_of_a_line_what_the_page_says(before: str, after: str) -> None:
    assert rewrite(code_of(before)).text == code_of(after)


def test_the_table_was_found() -> None:
    assert len(ROWS) >= 5


def test_the_file_that_tries_another_runs_it_and_can_retry_it_in_its_process(tmp_path: Path) -> None:
    (found,) = re.findall(r"```python\n# try_nightly.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "try_nightly.py").write_text(found)
    (tmp_path / "nightly.py").write_text(NIGHTLY)
    environment = {**os.environ, "DALSEGNO_HOME": str(tmp_path / "home")}
    first, then = (
        subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        for arguments in (["try_nightly.py"], ["-c", RETRY])
    )
    assert (first.stdout, first.returncode) == ("loading Monday 1\n", 1)
    assert "ValueError: no such table" in first.stderr
    assert then.stdout.splitlines() == ["loading Monday 1", "loading Monday 2", "Failed Monday"], then.stderr
