"""Signals around the bodies of runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

POOLS = """
from multiprocessing import get_context

from dalsegno import flow, task


def square(number):
    return number * number


@task
def squares(number):
    with get_context("fork").Pool(2) as pool:
        return sum(pool.map(square, range(number)))


@flow
def pools():
    return sum(squares(number) for number in range(20))


if __name__ == "__main__":
    print(pools())
"""


def test_processes_that_a_body_forks_end_when_they_are_told_to(tmp_path: Path) -> None:
    script = tmp_path / "pools.py"
    script.write_text(POOLS, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(sum(n * n for limit in range(20) for n in range(limit)))]
    assert "TerminationSignal" not in done.stderr
