"""What a type checker accepts and refuses of calls of tasks and flows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CALLS = Path(__file__).parent / "calls.py"


def test_the_type_checker_refuses_just_the_calls_that_are_wrong(tmp_path: Path) -> None:
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps({"include": [str(CALLS)], "typeCheckingMode": "standard", "pythonVersion": "3.11"}))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--project", str(project)]
    done = subprocess.run([*command, "--pythonpath", sys.executable], capture_output=True, text=True, timeout=100)
    found = json.loads(done.stdout)["generalDiagnostics"]
    refused = {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    wanted = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    messages = [f"{each['range']['start']['line'] + 1}: {each['message']}" for each in found]
    assert refused == wanted, "\n".join(messages)
