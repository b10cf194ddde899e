"""Hands batches of one process to the server, and keeps what the server does not take: nothing is thrown away."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno._journal.folder import FENCED, REFUSED, SpoolFolder, read_batches
from dalsegno._journal.frames import Owner
from dalsegno._processes import current_process
from dalsegno.exceptions import BackendError, BackendUnavailable, ServerFault
from dalsegno.model.records import Batch, FlowDefinition, ProcessRecord, Receipt, TaskDefinition

_MOST_FAULTS = 5
_LONGEST_FAULT = 60.0
"""Seconds for which, and tries in which, one batch may meet errors of a server that takes other things."""


class SetAside(Exception):
    """The server refuses a batch for good: it was put aside. Never leaves the journal."""

    def __init__(self, error: BackendError) -> None:
        super().__init__(str(error))
        self.error = error


class Carrier:
    """Delivers batches of one owner, in order."""

    def __init__(self, backend: Backend, folder: SpoolFolder, owner: Owner) -> None:
        self.backend = backend
        self.folder = folder
        self.owner = owner
        self.fenced: set[bytes] = set()
        """Roots whose attempt was ended: what this process did of them is kept, and not recorded."""
        self._missing = _Missing()
        self._failing: _Failing | None = None
        kept = folder.kept_path(REFUSED, owner)
        if kept.exists():
            for batch in read_batches(kept):
                self._missing.add(batch)

    def carry(self, batch: Batch) -> Receipt:
        """Deliver a batch.

        Raises BackendUnavailable while the server cannot take it, and SetAside if it never will.
        """
        carried, batch = batch, self._missing.mend(batch)
        try:
            receipt = self.backend.deliver(batch)
        except BackendUnavailable as error:
            if not (isinstance(error, ServerFault) and self._fails_for_good(carried)):
                raise
            self._put_aside(batch, error)
        except Exception as error:
            if not isinstance(error, BackendError):
                error = BackendError(f"It cannot be sent ({type(error).__name__}: {error})")
            self._put_aside(batch, error)
        if receipt.fenced:
            self.fenced.update(receipt.fenced)
            self.folder.keep(FENCED, self.owner, batch)
        self._missing.arrived(batch)
        return receipt

    def _put_aside(self, batch: Batch, error: BackendError) -> NoReturn:
        self._see_that_it_takes_anything(error)
        path = self.folder.keep(REFUSED, self.owner, batch)
        self._missing.add(batch)
        raise SetAside(
            BackendError(f"{error} What process {self.owner.process.pid} sent is kept in {path}; {_again(path)}")
        ) from error

    def _fails_for_good(self, batch: Batch) -> bool:
        """Tell whether a batch has met errors of the server so often, for so long, that it holds up all behind it."""
        if self._failing is None or self._failing.batch is not batch:
            self._failing = _Failing(batch)
        self._failing.tries += 1
        return self._failing.tries >= _MOST_FAULTS and time.monotonic() - self._failing.since >= _LONGEST_FAULT

    def _see_that_it_takes_anything(self, error: BackendError) -> None:
        """Raise BackendUnavailable if it is not this one batch that it refuses, but whatever comes from here."""
        try:
            self.backend.heartbeat(current_process().id, {})
        except BackendUnavailable:
            raise
        except BackendError:
            raise BackendUnavailable(str(error)) from error


class _Failing:
    """The batch that the server meets an error of its own with."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.since = time.monotonic()
        self.tries = 0


class _Missing:
    """What the server lacks because batches were put aside, and what later batches rest on."""

    def __init__(self) -> None:
        self._process: ProcessRecord | None = None
        self._tasks: dict[int, TaskDefinition] = {}
        self._flows: dict[int, FlowDefinition] = {}
        self._roots: set[bytes] = set()

    def add(self, batch: Batch) -> None:
        """Take up what a batch that was put aside would have brought."""
        self._process = batch.process or self._process
        self._tasks.update((task.id, task) for task in batch.tasks)
        self._flows.update((flow.id, flow) for flow in batch.flows)
        self._roots.update(batch.attempts.keys() - set(batch.recorded))

    def mend(self, batch: Batch) -> Batch:
        """Return a batch with what it rests on; a run that never arrived does not count as deleted."""
        if not (self._process or self._tasks or self._flows or self._roots):
            return batch
        return msgspec.structs.replace(
            batch,
            process=batch.process or self._process,
            tasks=[*self._tasks.values(), *batch.tasks],
            flows=[*self._flows.values(), *batch.flows],
            recorded=[root for root in batch.recorded if root not in self._roots],
        )

    def arrived(self, batch: Batch) -> None:
        """Forget what the server has now."""
        if self._process or self._tasks or self._flows:
            self._process = None
            self._tasks.clear()
            self._flows.clear()
        if self._roots:
            self._roots.difference_update(run.id for run in batch.flow_runs)


def _again(path: Path) -> str:
    return f"`dalsegno flow-run deliver --all` tries again, and `--show {path}` lists what is in it."


def say(text: str) -> None:
    """Tell people something, on standard error."""
    # Not the logging module: its handlers may lead back into the journal.
    print(f"dalsegno: {text}", file=sys.stderr, flush=True)
