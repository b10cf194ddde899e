"""`dalsegno flow serve`: a flow served from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dalsegno._backend.embedded import StoreBackend

ETL = """
from dalsegno import flow

@flow
def etl(n: int = 1):
    with open("ran", "a") as file:
        file.write(f"{n}\\n")
"""


def test_a_flow_is_served_from_the_command_line(folder: Path, store: StoreBackend) -> None:
    (folder / "etl.py").write_text(ETL)
    words = ["flow", "serve", "etl.py:etl", "--name", "eu", "--interval", "1", "--param", "n=4", "--tag", "x"]
    command = [sys.executable, "-m", "dalsegno", *words]
    with subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, text=True) as program:
        deadline = time.monotonic() + 60
        while not (folder / "ran").exists():
            assert time.monotonic() < deadline, "it did not run"
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "etl/eu: Every second, UTC" in said
    assert (folder / "ran").read_text().splitlines()[0] == "4"
    found = store.find_deployment("etl", "eu")
    assert found is not None
    assert (found.spec.parameters, found.spec.tags) == ({"n": 4}, ["x"])
