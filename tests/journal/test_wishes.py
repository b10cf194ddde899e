"""What the journal does with what is wanted of runs."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.store.make import FAILED, Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno._journal.journal import Journal
from dalsegno._processes import current_process
from dalsegno.model.records import Receipt
from dalsegno.model.views import OpenRun
from dalsegno.settings.fields import JournalSettings


class Executor:
    """Whoever executes a root run at an attempt."""

    def __init__(self, root_run_id: bytes, attempt: int) -> None:
        self.root_run_id = root_run_id
        self.attempt = attempt
        self.told: list[str] = []

    def on_cancel_requested(self) -> None:
        self.told.append("cancel")

    def on_fenced(self) -> None:
        self.told.append("fenced")


class Retried(StoreBackend):
    """A backend where the next attempt of a run begins in this process while a heartbeat asks about the one before."""

    journal: Journal
    first: Executor
    second: Executor
    again = threading.Event()
    asked: list[int]

    def heartbeat(self, process_id: bytes, attempts: dict[bytes, int]) -> Receipt:
        root = self.first.root_run_id
        if not self.asked:
            self.journal.leave(self.first)
            opened = self.open_run(OpenRun(flow_run_id=root, process=current_process()))
            assert opened.attempt == self.second.attempt
            self.journal.enter(self.second)
        receipt = super().heartbeat(process_id, attempts)
        if not self.asked:
            assert receipt.fenced == [root]
        self.asked.append(attempts[root])
        if len(self.asked) > 1:
            self.again.set()
        return receipt


def test_an_answer_about_an_attempt_is_not_for_the_next_one(tmp_path: Path) -> None:
    backend = Retried.in_file(str(tmp_path / "runs.db"))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    backend.asked = []
    backend.first, backend.second = Executor(run.id, 1), Executor(run.id, 2)
    backend.journal = journal = Journal(backend, current_process(), JournalSettings(heartbeat_interval=0.01))
    # As if it had recorded the first attempt itself.
    journal._recorded.add(run.id)
    journal.enter(backend.first)
    journal.barrier()
    assert backend.again.wait(30)
    assert backend.asked[:2] == [1, 2]
    assert (backend.first.told, backend.second.told) == ([], [])
    journal.leave(backend.second)
    journal.close()
    backend.close()
