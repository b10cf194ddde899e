"""Flows in files, deployments of them, and workers in processes of their own that execute what is asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.guarantees.processes import Program, Started

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.deployments import CodeSource, DeploymentRun, DeploymentSpec
from dalsegno.model.views import FlowRunView

PATIENCE = 60.0
"""Seconds; the machine may be very busy."""

HEAD = """
import os
import sys
import time
from dalsegno import flow, task


def note(text, file="noted"):
    with open(file, "a") as noted:
        noted.write(f"{text}\\n")

"""

ELSEWHERE = """
import msgspec
from dalsegno import _processes
_described = _processes._describe
_processes._describe = lambda pid: msgspec.structs.replace(_described(pid), host="elsewhere")
"""
"""The processes that execute a flow of a file with this say that they are of another machine."""


class Workshop:
    """A folder with flows, a database, and workers."""

    def __init__(self, folder: Path, home: Path, backend: StoreBackend, settings: dict[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.home = home
        self.backend = backend
        self.settings = settings

    def write(self, text: str, name: str = "flows.py") -> None:
        """Write a file next to the others; what every file begins with comes before."""
        (self.folder / name).write_text(HEAD + text, encoding="utf-8")

    def ask(
        self,
        flow: str = "job",
        *,
        file: str = "flows.py",
        parameters: dict[str, Any] | None = None,
        job_variables: dict[str, Any] | None = None,
        **policy: Any,
    ) -> bytes:
        """Ask for a run of a flow of a file; return its id."""
        found = self.backend.apply_deployment(
            DeploymentSpec(
                flow_name=flow,
                name=file,
                source=CodeSource(entrypoint=f"{file}:{flow}", path=str(self.folder)),
                work_pool_name="pool",
                recovery_delay=0.1,
                **policy,
            )
        )
        return self.backend.request_deployment_run(
            DeploymentRun(deployment_id=found.id, parameters=parameters or {}, job_variables=job_variables or {})
        ).flow_run_id

    def worker(self, *options: str, settings: dict[str, str] | None = None) -> Started:
        """Start a worker."""
        program = Program(self.folder, self.home, "", "unused.py")
        # Its tasks are none of pytest's, which would have them share its own environment.
        return program.start(
            "worker", "start", "--pool", "pool", *options,
            tool="dalsegno.cli", settings={**self.settings, **(settings or {})},
        )  # fmt: skip

    def run(self, id: bytes) -> FlowRunView:
        """Return a run as it is now."""
        seen = self.backend.read_flow_run(id)
        assert seen is not None
        return seen

    def until(self, id: bytes, *names: str) -> FlowRunView:
        """Wait until a run is in a state of one of these names."""
        self.when(lambda: self.run(id).state.name in names, lambda: self.run(id).state)
        return self.run(id)

    def when(self, holds: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
        """Wait until something is so: look whenever anybody has written, and now and then."""
        give_up = time.monotonic() + PATIENCE
        token = self.backend.change_token()
        while not holds():
            assert time.monotonic() < give_up, told()
            token = self.backend.wait_for_change(token, 0.1)

    def noted(self, file: str = "noted") -> list[str]:
        """Return the lines that flows wrote into a file."""
        path = self.folder / file
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def when_noted(self, count: int = 1, file: str = "noted") -> list[str]:
        """Wait until so many lines were written into a file."""
        self.when(lambda: len(self.noted(file)) >= count, lambda: self.noted(file))
        return self.noted(file)


def lives(pid: int) -> bool:
    """Tell whether a process is there, and no mere shell of one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text[text.rindex(")") + 2] not in "ZX"


def is_told(worker: Started, text: str) -> bool:
    """Tell whether a worker has said something on standard error."""
    return text in worker.errors


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent this is."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            if int(text[text.rindex(")") + 2 :].split()[1]) == pid:
                found.append(int(name))
    return found
