"""`import dalsegno` is light: what a flow may never need is loaded only by the code that needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

DECORATING = """from dalsegno import flow, task
@task
def double(x: int) -> int:
    return 2 * x
@flow
def main() -> int:
    return double(2)
"""
HEAVY = [
    "cronsim",
    "dateutil",
    "zoneinfo",
    "sqlalchemy",
    "pydantic",
    "httpx",
    "rich",
    "cyclopts",
    "fsspec",
    "cryptography",
]


def modules_loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and give the names of all modules that it has then."""
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_probe_sees_what_a_statement_loads() -> None:
    assert "pydantic" in modules_loaded_by("import pydantic")


@pytest.mark.parametrize(
    "statement",
    ["import dalsegno", "from dalsegno import flow, task", DECORATING],
    ids=["import dalsegno", "from dalsegno import flow, task", "decorating"],
)
def test_importing_and_decorating_load_nothing_heavy(statement: str) -> None:
    loaded = modules_loaded_by(statement)
    assert "dalsegno" in loaded
    assert loaded.isdisjoint(HEAVY), sorted(loaded.intersection(HEAVY))


def test_the_store_and_the_programs_are_not_loaded_by_an_import() -> None:
    private = ("dalsegno._store", "dalsegno.cli", "dalsegno._backend.embedded")
    loaded = modules_loaded_by("from dalsegno import flow, task")
    assert [name for name in sorted(loaded) if name.startswith(private)] == []
