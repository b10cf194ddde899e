"""What the named tests of replay share: the attempts of one flow run, and what its bodies said."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

from dalsegno.flow_runs import retry_flow_run
from dalsegno.flows import load_flow_from_entrypoint
from dalsegno.model.ids import id_text
from dalsegno.model.views import TaskRunView
from dalsegno.testing.harness import Harness

HEAD = """from dalsegno import flow, task
from tests.guarantees.replay_attempts import here
"""


class Attempts:
    """Executes a flow again and again, with one thing that is broken at first.

    Bodies call `say` when they run and `fail` where something breaks; after each attempt `said` holds the words of
    that attempt alone.
    """

    def __init__(self, runs: Harness, script: Path) -> None:
        self.runs = runs
        self.script = script
        self.said: list[Any] = []
        self.number = 0
        self.flow: Any = None

    def say(self, word: Any) -> None:
        self.said.append(word)

    def fail(self, *attempts: int) -> None:
        """Raise in these attempts; without any, in the first."""
        if self.number in (attempts or (1,)):
            raise ValueError(f"broken in attempt {self.number}")

    def load(self, source: str) -> Any:
        """Write the script, perhaps anew, and return its flow `main`."""
        self.script.write_text(HEAD + source, encoding="utf-8")
        return load_flow_from_entrypoint(f"{self.script}:main")

    def first(self, flow: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the flow; return its final state."""
        self.flow = flow
        self._begin()
        state = flow(*args, **kwargs, return_state=True)
        return asyncio.run(state) if inspect.iscoroutine(state) else state

    def again(self, flow: Any = None, of: str | None = None, **options: Any) -> Any:
        """Retry the flow run (or another one), perhaps with edited code; return its final state."""
        self._begin()
        return retry_flow_run(of or self.id, flow=flow or self.flow, return_state=True, **options)

    @property
    def id(self) -> str:
        """Of the first root flow run."""
        return id_text(next(run.id for run in self.runs.flow_runs() if run.root_run_id == run.id))

    def task_runs(self, name: str) -> list[TaskRunView]:
        return self.runs.task_runs(name)

    def messages(self) -> list[str]:
        """Return the texts of all lines of the run's log."""
        return [line.message for line in self.runs.logs()]

    def _begin(self) -> None:
        self.number += 1
        self.said.clear()


_current: list[Attempts] = []


def begin(attempts: Attempts) -> Attempts:
    """Make these the attempts that scripts speak to."""
    _current[:] = [attempts]
    return attempts


def here() -> Attempts:
    """Return the attempts that a script is part of."""
    return _current[0]
