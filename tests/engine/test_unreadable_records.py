"""The database cannot be read just when a run wants to pick up: the run ends, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno.exceptions import BackendUnavailable
from dalsegno.flow_runs import retry_flow_run
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView, Page, RunFilter


def unreadable(*_: Any) -> Any:
    raise BackendUnavailable("the disk is away")


def ended(name: str = "main") -> FlowRunView:
    (run,) = connect().list_flow_runs(RunFilter(flow_names=[name]), Page())
    return run


@pytest.mark.parametrize("nested", [False, True])
def test_a_flows_own_retry_whose_records_cannot_be_read(monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    bodies: list[int] = []

    @task
    def one() -> int:
        return 1

    @flow(retries=2)
    def broken() -> None:
        bodies.append(one())
        raise ValueError("broken")

    @flow
    def main() -> None:
        broken()

    monkeypatch.setattr(connect(), "replay_entries", unreadable)
    with pytest.raises(ValueError, match="broken"):
        main() if nested else broken()
    assert bodies == [1]
    state = ended("broken").state
    assert state.name == "Failed"
    assert "ValueError: broken. It was not retried" in (state.message or "")
    assert "the disk is away" in (state.message or "")
    if nested:
        assert ended("main").state.name == "Failed"


def test_a_nested_run_whose_record_cannot_be_read() -> None:
    @flow
    def part() -> None:
        raise ValueError("broken")

    @flow
    def main() -> None:
        part()

    with pytest.raises(ValueError, match="broken"):
        main()
    backend = connect()
    read = backend.read_flow_run
    root = ended().id

    def read_root_only(id: bytes) -> FlowRunView | None:
        return read(id) if id == root else unreadable()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "read_flow_run", read_root_only)
        with pytest.raises(BackendUnavailable, match="the disk is away"):
            retry_flow_run(id_text(root), flow=main)
    assert ended().state.name == "Failed"
    assert "the disk is away" in (ended().state.message or "")
    assert backend.list_flow_runs(RunFilter(state_names=["Running", "Pending"]), Page()) == []
    assert backend.list_task_runs(RunFilter(state_names=["Running", "Pending"]), Page()) == []


def test_the_results_cannot_be_read() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def main() -> None:
        one()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        main()
    backend = connect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "read_results", unreadable)
        with pytest.raises(BackendUnavailable, match="the disk is away"):
            retry_flow_run(id_text(ended().id), flow=main)
    assert ended().state.name == "Failed"
    with pytest.raises(ValueError, match="broken"):
        retry_flow_run(id_text(ended().id), flow=main)
    runs = backend.list_task_runs(RunFilter(task_names=["one"]), Page())
    assert [run.run_count for run in runs if run.state.name == "Completed"] == [1]
