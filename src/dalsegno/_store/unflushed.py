"""Batches that a database server has confirmed but may not have on its disk yet: if it crashes, they are applied again.

What is recorded in an SQLite file survives the death of all processes, and a power cut ends those that record too. A
database server may die alone, and a run that goes on would never send again what was confirmed to it. So batches are
kept until a later commit has reached the disk, which with them takes all before; if a connection broke meanwhile, the
next transaction begins by applying them once more, which does no harm where they are there.
"""

from __future__ import annotations

import threading
import time

import msgspec

from dalsegno._store.connection import Database
from dalsegno.model.records import Batch

_MOST_RECORDS = 4000
_LONGEST = 1.0
"""Seconds. With so much kept, the next commit waits for the disk."""


class Unflushed:
    """The batches of one process and database. Its methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._losses = database.losses
        self._kept: dict[int, Batch] = {}
        self._next = 0
        self._records = 0
        self._since = 0.0

    def wants_flush(self) -> bool:
        """Tell whether the next commit is to wait for the disk."""
        with self._lock:
            return bool(self._kept) and (self._records > _MOST_RECORDS or time.monotonic() - self._since > _LONGEST)

    def mark(self) -> int:
        """Return a mark of what was committed until now."""
        with self._lock:
            return self._next

    def lost(self) -> list[Batch]:
        """Return what may have been lost with a connection."""
        with self._lock:
            if self._database.losses == self._losses:
                return []
            # That a run was recorded before may be among what was lost.
            return [msgspec.structs.replace(batch, recorded=[]) for batch in self._kept.values()]

    def committed(self, batch: Batch, losses: int, *, flushed: int | None) -> None:
        """Note a commit: what was lost with so many connections was applied before it; and if it waited for the disk,
        all until the mark `flushed` is there."""
        if self._database.dialect == "sqlite":
            return
        with self._lock:
            self._losses = max(self._losses, losses)
            if flushed is not None:
                for number in [number for number in self._kept if number < flushed]:
                    self._records -= _size(self._kept.pop(number))
                self._since = time.monotonic()
                return
            if not self._kept:
                self._since = time.monotonic()
            self._kept[self._next] = batch
            self._next += 1
            self._records += _size(batch)

    def start_anew(self) -> None:
        """Forget what the parent sent, in the process that was forked."""
        self._lock = threading.Lock()
        self._kept, self._records = {}, 0


def _size(batch: Batch) -> int:
    return 1 + len(batch.task_runs) + len(batch.logs)
