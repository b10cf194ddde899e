"""A run that a worker has claimed, from the claim until its end is recorded."""

from __future__ import annotations

import threading

from dalsegno.model.ids import id_text
from dalsegno.model.queue import ClaimedRun
from dalsegno.workers.configuration import BaseJobConfiguration


class Job:
    """What a worker knows of a run that it claimed."""

    def __init__(self, claimed: ClaimedRun) -> None:
        self.claimed = claimed
        self.configuration = BaseJobConfiguration()
        self.identifier: str | None = None
        """What its infrastructure is found by."""
        self.begun = threading.Event()
        """It has infrastructure, or never will have."""
        self.over = threading.Event()
        """Its end is recorded, or it was given back."""
        self._stopping = threading.Lock()

    def __str__(self) -> str:
        return f"flow run {id_text(self.claimed.flow_run_id)}"

    @property
    def id(self) -> bytes:
        return self.claimed.flow_run_id

    def begin(self, identifier: str) -> None:
        """Note what its infrastructure is found by."""
        self.identifier = identifier
        self.begun.set()

    def end(self) -> None:
        """Note that it is nobody's business here any more."""
        self.begun.set()
        self.over.set()

    def stop_first(self) -> bool:
        """Tell whether this is the first time that it is to be stopped."""
        return self._stopping.acquire(blocking=False)
