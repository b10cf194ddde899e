"""The journal when something in it goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from dalsegno import flow, task
from dalsegno._engine.runs import TaskRun
from dalsegno._journal.journal import Journal
from dalsegno.exceptions import BackendError
from dalsegno.testing import Harness


@task
def give(number: int) -> int:
    return number


@task
def odd() -> None: ...


@flow
def orders() -> int:
    odd()
    return give(1) + give(2)


def test_a_record_that_cannot_be_written_down_does_not_keep_the_others(
    dalsegno_test_harness: Harness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = TaskRun.snapshot

    def broken(self: TaskRun, version: int) -> Any:
        if self.task_name == "odd":
            raise ValueError("no such bytes")
        return snapshot(self, version)

    monkeypatch.setattr(TaskRun, "snapshot", broken)
    assert orders() == 3
    dalsegno_test_harness.assert_state("orders", "Completed")
    assert [run.task_name for run in dalsegno_test_harness.task_runs()] == ["give", "give"]
    assert "cannot be recorded: ValueError: no such bytes" in capsys.readouterr().err


def test_a_fault_of_the_journal_reaches_who_waits_for_it(
    dalsegno_test_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Journal, *args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_batch", broken)
        with pytest.raises(BackendError, match="ZeroDivisionError: a fault"):
            orders()
    assert orders() == 3
