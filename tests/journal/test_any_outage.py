"""Whatever sequence of outages, lost answers, kills and deliveries: the store ends up as without them."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journal.remote import RemoteStore
from tests.store.make import COMPLETED, RUNNING, Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno._backend.protocol import Backend
from dalsegno._journal.courier import Courier
from dalsegno._journal.folder import SpoolFolder
from dalsegno._journal.leftovers import deliver_left
from dalsegno._processes import current_process
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.ids import new_id
from dalsegno.model.records import Batch, Receipt
from dalsegno.model.views import Page, RunFilter
from dalsegno.settings.fields import JournalSettings

WEATHER = ("there", "away", "its answers are lost", "busy")
ACTIONS = st.one_of(
    st.sampled_from(WEATHER),
    st.sampled_from(["task", "again", "end", "sync", "catch up", "deliver", "kill", "close"]),
)


class Server(RemoteStore):
    """A server in all kinds of trouble."""

    def __init__(self, store: StoreBackend) -> None:
        super().__init__(store, lambda: self.weather == "away")
        self.weather = "there"
        self._turns = itertools.count()

    def deliver(self, batch: Batch) -> Receipt:
        if self.weather == "busy" and next(self._turns) % 3:
            raise BackendUnavailable("Too many requests.")
        receipt = super().deliver(batch)
        if self.weather == "its answers are lost":
            raise BackendUnavailable("The connection broke.")
        return receipt


class Process:
    """A process of a run: what a journal does with a courier, one batch for each change."""

    def __init__(self, server: Server, folder: SpoolFolder, twin: StoreBackend) -> None:
        self.process = msgspec.structs.replace(current_process(), id=new_id())
        limits = JournalSettings(spool_after=0.002)
        self.courier = Courier(cast("Backend", server), self, limits, folder)
        self.run = Run(process=self.process)
        self.ended = False
        self._twin = twin
        self._tasks: list[bytes] = []
        self.send(self.run.batch(flow_runs=[self.run.flow_run()]))

    def send(self, batch: Batch) -> None:
        self.courier.send(batch)
        self._twin.deliver(batch)

    def task(self) -> None:
        self._tasks.append(new_id())
        line = self.run.log(f"task {len(self._tasks)}", nonce=len(self._tasks))
        self._send(task_runs=[self.run.task_run(RUNNING, id=self._tasks[-1])], logs=[line])

    def again(self) -> None:
        for id in self._tasks[-3:]:
            self._send(task_runs=[self.run.task_run(id=id, first=1)])
        self._tasks.clear()

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self._send(flow_runs=[self.run.flow_run(COMPLETED, first=1)])

    def kill(self) -> None:
        """Do what the system does with a killed process: close its files, and let it do nothing more."""
        courier: Any = self.courier
        with courier._changed:
            courier._ended = True
            courier._changed.notify_all()
            if courier._spool is not None:
                courier._spool.close()
        courier._thread.join()

    def _send(self, **content: Any) -> None:
        recorded = [self.run.id]
        self.send(self.run.batch(process=None, tasks=[], flows=[], recorded=recorded, **content))

    # --- as its courier sees it

    beat_every = 2.0

    def attempts_under_way(self) -> dict[bytes, int] | None:
        return {self.run.id: 1}

    def obey(self, attempts: dict[bytes, int], receipt: Receipt) -> None:
        assert receipt == Receipt()

    def forget(self, batch: Batch) -> None:
        raise AssertionError("nothing is refused")

    def fail(self, error: BackendError) -> None:
        raise AssertionError(str(error))


def content_of(store: StoreBackend) -> tuple[Any, ...]:
    """Return all that is recorded, as far as a process says it."""
    page = Page(limit=1000)
    flow_runs = [store.read_flow_run(run.id) for run in store.list_flow_runs(RunFilter(), page)]
    task_runs = [store.read_task_run(run.id) for run in store.list_task_runs(RunFilter(), page)]
    logs = [line for run in flow_runs if run is not None for line in store.list_logs(flow_run_id=run.id, limit=1000)]
    return flow_runs, task_runs, logs


def perform(actions: list[str], server: Server, folder: SpoolFolder, twin: StoreBackend) -> None:
    process = Process(server, folder, twin)
    for action in actions:
        if action in WEATHER:
            server.weather = action
        elif action in ("kill", "close"):
            if action == "close":
                process.courier.close(complete=True)
            process.kill()
            process = Process(server, folder, twin)
        elif action in ("catch up", "deliver"):
            try:
                if action == "catch up":
                    process.courier.catch_up()
                else:
                    deliver_left(cast("Backend", server), folder, ignored.append)
            except BackendUnavailable:
                assert server.weather != "there" or action == "catch up"
        elif action == "sync":
            process.courier.secure()
        else:
            getattr(process, action)()
    process.kill()


ignored: list[str] = []


@settings(max_examples=40)
@given(st.lists(ACTIONS, max_size=40))
def test_the_store_ends_up_as_without_outages(actions: list[str]) -> None:
    with tempfile.TemporaryDirectory() as home:
        server, twin = Server(StoreBackend.in_memory()), StoreBackend.in_memory()
        folder = SpoolFolder(Path(home), server.url)
        try:
            perform(actions, server, folder, twin)
            server.weather = "there"
            deliver_left(cast("Backend", server), folder, ignored.append)
            assert content_of(server.store) == content_of(twin)
            assert folder.left() == []
        finally:
            server.close()
            twin.close()
