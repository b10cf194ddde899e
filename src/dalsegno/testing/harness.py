"""A database for the time of a test, and what a test asks of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from dalsegno._backend import connect as connecting
from dalsegno._backend.protocol import Backend
from dalsegno._engine.session import close_journals, journal_for
from dalsegno.model.views import FlowRunView, LogView, Page, RunFilter, TaskRunView


class Harness:
    """What a test asks about the runs in its database."""

    def __init__(self, backend: Backend, home: Path) -> None:
        self.backend = backend
        self.home = home

    def flow_runs(self, flow_name: str | None = None) -> list[FlowRunView]:
        """Return the flow runs, oldest first; of one flow, or all."""
        self._settle()
        filter_ = RunFilter(flow_names=[] if flow_name is None else [flow_name])
        return self.backend.list_flow_runs(filter_, Page(limit=10_000, oldest_first=True))

    def flow_run(self, flow_name: str | None = None) -> FlowRunView:
        """Return the newest flow run, with its history. Raises AssertionError if there is none."""
        runs = self.flow_runs(flow_name)
        assert runs, f"There is no run of the flow {flow_name!r}." if flow_name else "There is no flow run."
        view = self.backend.read_flow_run(runs[-1].id)
        assert view is not None
        return view

    def task_runs(self, task_name: str | None = None) -> list[TaskRunView]:
        """Return the task runs, oldest first; of one task, or all."""
        self._settle()
        filter_ = RunFilter(task_names=[] if task_name is None else [task_name])
        return self.backend.list_task_runs(filter_, Page(limit=10_000, oldest_first=True))

    def logs(self) -> list[LogView]:
        """Return the log lines of all flow runs."""
        runs = [run for run in self.flow_runs() if run.root_run_id == run.id]
        return [line for run in runs for line in self.backend.list_logs(flow_run_id=run.id, limit=100_000)]

    def assert_ran(self, task_name: str, times: int = 1) -> None:
        """Assert how often the body of a task was started, over all its runs and retries."""
        counted = sum(run.run_count for run in self.task_runs(task_name))
        assert counted == times, f"The body of task {task_name!r} ran {counted} time(s), not {times}."

    def assert_state(self, task_or_flow_name: str, state_name: str) -> None:
        """Assert that all runs of a task or flow ended in a state of this name."""
        runs = [*self.task_runs(task_or_flow_name)] or [*self.flow_runs(task_or_flow_name)]
        assert runs, f"There is no run of {task_or_flow_name!r}."
        found = sorted({run.state.name for run in runs})
        assert found == [state_name], f"The runs of {task_or_flow_name!r} are {', '.join(found)}, not {state_name}."

    def _settle(self) -> None:
        """Wait until what has happened is recorded."""
        journal_for(self.backend).barrier(durable=False)


@contextlib.contextmanager
def harness() -> Generator[Harness]:
    """Give runs an empty database in memory, and a home folder, that are gone afterwards.

    Enter it around what a test runs, or use the pytest fixture `dalsegno_test_harness`.

    Example:
        >>> with harness() as runs:
        ...     nightly()
        ...     runs.assert_ran("extract", times=1)
    """
    from dalsegno.settings import refresh_settings

    with tempfile.TemporaryDirectory(prefix="dalsegno-test-", ignore_cleanup_errors=True) as folder:
        backend = connecting.open_in_memory()
        names = {"DALSEGNO_HOME": folder, "DALSEGNO_DATABASE_URL": backend.url}
        before = {name: os.environ.get(name) for name in (*names, "DALSEGNO_API_URL")}
        os.environ.update(names)
        os.environ.pop("DALSEGNO_API_URL", None)
        refresh_settings()
        try:
            yield Harness(backend, Path(folder))
        finally:
            close_journals(backend)
            connecting.close(backend.url)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            refresh_settings()
