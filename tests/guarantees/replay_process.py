"""One attempt of a generated program in a process of its own, which the program may kill.

Run as ``python -m tests.guarantees.replay_process FOLDER``: the folder holds the program and its plan, and takes
what the process says of itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

from tests.guarantees import replay_world
from tests.guarantees.model import MAIN

from dalsegno._backend.connect import connect
from dalsegno._engine.session import journal_for
from dalsegno.flow_runs import retry_flow_run
from dalsegno.flows import load_flow_from_entrypoint

PLAN, SCRIPT, ROUND, RUN_ID, RAN, OUTCOME = "plan", "pipeline.py", "round", "id", "ran", "outcome"


class KilledWorld(replay_world.World):
    """A world that outlives its processes: what they say is in files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(pickle.loads((folder / PLAN).read_bytes()))
        self.folder = folder
        if (folder / ROUND).exists():
            self.round = int((folder / ROUND).read_text(encoding="utf-8"))
            self.flow_run_id = (folder / RUN_ID).read_text(encoding="utf-8")

    def begin(self) -> None:
        super().begin()
        (self.folder / ROUND).write_text(str(self.round), encoding="utf-8")
        (self.folder / RUN_ID).write_text(str(self.flow_run_id), encoding="utf-8")

    def starts(self, name: str, args: tuple[Any, ...]) -> None:
        super().starts(name, args)
        with (self.folder / RAN).open("a", encoding="utf-8") as file:
            file.write(f"{(name, replay_world.plain(args))!r}\n")

    def kill(self) -> None:
        # What completed less than a flush ago may run again: the model does not know of time.
        journal_for(connect()).barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path) -> None:
    """Make the first attempt, or the next one, and write down what it came to."""
    world = KilledWorld(folder)
    replay_world.enter(world)
    if world.flow_run_id is None:
        state = load_flow_from_entrypoint(f"{folder / SCRIPT}:{MAIN}")(return_state=True)
    else:
        state = retry_flow_run(world.flow_run_id, return_state=True)
    value = state.result() if state.is_completed() else None
    (folder / OUTCOME).write_text(repr((state.name, value)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
