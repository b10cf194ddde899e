"""The README's first flow does what the README says of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "dalsegno"


def snippet() -> str:
    """Give the README's only Python block."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 1
    return blocks[0]


def dalsegno(folder: Path, *arguments: str) -> str:
    done = subprocess.run([str(COMMAND), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    return json.loads(dalsegno(folder, *arguments, "--output", "json"))


def test_the_first_flow_fails_and_is_picked_up_where_it_broke(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(snippet(), encoding="utf-8")
    first = subprocess.run([sys.executable, "nightly.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert first.returncode == 1
    assert "FileNotFoundError" in first.stderr

    (failed,) = rows(tmp_path, "flow-run", "ls")
    before = {row["id"]: row for row in rows(tmp_path, "task-run", "ls", "--flow-run", failed["id"])}
    assert len(before) == 5

    (tmp_path / "warehouse").mkdir()
    dalsegno(tmp_path, "flow-run", "retry", failed["id"])
    assert (tmp_path / "warehouse" / "totals.txt").read_text() == "[20, 35]\n"

    after = {row["id"]: row for row in rows(tmp_path, "task-run", "ls", "--flow-run", failed["id"])}
    assert after.keys() == before.keys()
    ran_again = [row["name"] for id, row in after.items() if row != before[id]]
    assert [name.split("-")[0] for name in ran_again] == ["load"]
