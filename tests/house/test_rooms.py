"""Every room of the package has its row in the table of who may import whom, and the rows are enforced."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "dalsegno"


def contracts() -> list[dict[str, Any]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return configuration["tool"]["importlinter"]["contracts"]


def lint_imports(folder: Path, package_parent: Path) -> tuple[int, str]:
    """Run import-linter on the configuration in a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / '.ci'}{os.pathsep}{package_parent}"}
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_each_module_at_the_top_of_the_package_is_in_exactly_one_row() -> None:
    rooms = [room.strip("()") for contract in contracts() for room in contract["rooms"]]
    tops = {f"dalsegno.{path.stem}" for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    tops -= {"dalsegno.__init__", "dalsegno.__pycache__"}
    missing = [top for top in tops if not any(room == top or room.startswith(top + ".") for room in rooms)]
    assert sorted(missing) == [], "add a row to [tool.importlinter] in pyproject.toml"
    assert len(rooms) == len(set(rooms))


CONFIGURATION = """
[tool.importlinter]
root_package = "house"
contract_types = ["room: rooms.RoomContract"]
[[tool.importlinter.contracts]]
name = "the cellar"
type = "room"
rooms = ["house.cellar"]
may_import = ["house.ground"]
"""


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("import house.ground", True),
        ("import house.cellar.wine", True),
        ("import json", True),
        ("import house", True),
        ("import house.attic", False),
        ("def later():\n    from house.attic import roof", False),
    ],
)
def test_a_room_may_import_only_what_its_row_lists(tmp_path: Path, line: str, kept: bool) -> None:
    for name in (
        "house/__init__",
        "house/ground",
        "house/attic",
        "house/cellar/__init__",
        "house/cellar/wine",
    ):
        module = tmp_path / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text("roof = 1\n")
    (tmp_path / "house/cellar/wine.py").write_text(line + "\n")
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    code, output = lint_imports(tmp_path, tmp_path)
    assert (code == 0) is kept, output
    assert ("house.cellar.wine" in output) is not kept, output


def test_a_row_that_names_no_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/__init__.py").write_text("")
    (tmp_path / "house/cellar.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    code, output = lint_imports(tmp_path, tmp_path)
    assert code == 1
    assert "no module is called house.ground" in output


def test_a_name_in_parentheses_may_be_missing_and_counts_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/__init__.py").write_text("")
    (tmp_path / "house/cellar.py").write_text("import house.ground")
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION.replace('"house.ground"', '"(house.ground)"'))
    assert lint_imports(tmp_path, tmp_path)[0] == 0
    (tmp_path / "house/ground.py").write_text("")
    assert lint_imports(tmp_path, tmp_path)[0] == 0
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION.replace('["house.ground"]', '["(house.attic)"]'))
    assert lint_imports(tmp_path, tmp_path)[0] == 1
