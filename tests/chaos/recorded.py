"""Compares what a database holds with what the flow itself wrote down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.servers import read_lines

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store.rows import ASIDE
from dalsegno.model.states import StateRecord
from dalsegno.model.views import FlowRunView, LogView, Page, RunFilter, TaskRunView

_PAGE = 500
_ONCE = ["Pending", "Running", "Completed"]
_TWICE = {
    "mapped": ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"],
    "direct": ["Pending", "Running", "Retrying", "Completed"],
}


class Ledger:
    """What a flow wrote down: tasks that were done, log lines, its own time."""

    def __init__(self, path: Path) -> None:
        lines = read_lines(path)
        self.done = [name for line in lines for name in line.get("done", ())]
        self.durable = [name for line in lines if line.get("durable") for name in line["done"]]
        self.logs = Counter(line["log"] for line in lines if "log" in line)
        self.seconds: float | None = next((line["seconds"] for line in lines if "seconds" in line), None)
        self.waited: float = next((line["waited"] for line in lines if "waited" in line), 0.0)


@contextmanager
def opened(url: str) -> Iterator[StoreBackend]:
    """Open the database of a server that is gone, or that does not mind."""
    backend = StoreBackend.open(url)
    try:
        yield backend
    finally:
        backend.close()


def flow_runs(backend: StoreBackend) -> list[FlowRunView]:
    return backend.list_flow_runs(RunFilter(), Page())


def task_runs(backend: StoreBackend, root: bytes) -> list[TaskRunView]:
    """Return all task runs of a flow run, read one by one, with their states."""
    found: list[TaskRunView] = []
    after: bytes | None = None
    while page := backend.list_task_runs(
        RunFilter(root_run_ids=[root]), Page(limit=_PAGE, after=after, oldest_first=True)
    ):
        after = page[-1].id
        for each in page:
            whole = backend.read_task_run(each.id)
            assert whole is not None
            found.append(whole)
    return found


def logs(backend: StoreBackend, flow_run_id: bytes) -> list[LogView]:
    """Return all log lines of a flow run."""
    found: list[LogView] = []
    after: tuple[int, int] | None = None
    while page := backend.list_logs(flow_run_id=flow_run_id, after=after, limit=_PAGE):
        after = page[-1].timestamp, page[-1].nonce
        found += page
    return found


def check_complete(backend: StoreBackend, run: FlowRunView, ledger: Ledger, *, state: str = "Completed") -> None:
    """Every task run, state and log line of a run is there exactly once, and nothing else is."""
    whole = backend.read_flow_run(run.id)
    assert whole is not None
    assert whole.states is not None
    assert [each.name for each in told_by_itself(whole.states)] == ["Pending", "Running", state]
    found = task_runs(backend, run.id)
    assert Counter(each.name for each in found) == Counter(ledger.done)
    for each in found:
        check_states(each)
    written = Counter(line.message for line in logs(backend, run.id) if line.message.endswith("was here"))
    assert written == ledger.logs


def told_by_itself(states: list[StateRecord]) -> list[StateRecord]:
    """Return the states without those that the store noted: while a spool waits, its run counts as Crashed."""
    return [state for state in states if state.position < ASIDE]


def check_states(run: TaskRunView) -> None:
    """A task run that fails once has the states of that; any other has gone straight through."""
    kind, _, number = run.name.partition("-")
    is_retried = kind != "sure" and int(number) % 61 == 0
    assert run.states is not None
    states = told_by_itself(run.states)
    assert [state.name for state in states] == (_TWICE[kind] if is_retried else _ONCE), run.name
    assert [state.position for state in states] == list(range(len(states))), run.name
    assert run.run_count == (2 if is_retried else 1), run.name
    assert run.end_time is not None, run.name
