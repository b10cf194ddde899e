"""Delivers what processes that are gone left on this machine. Exactly one process does it for each file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno._journal.carrier import Carrier, SetAside
from dalsegno._journal.folder import FENCED, SpoolFolder
from dalsegno._journal.frames import FrameError, Owner
from dalsegno._journal.spool import Spool
from dalsegno.model.ids import id_text


class Delivered(msgspec.Struct):
    """What became of one file."""

    owner: Owner
    batches: int = 0
    refused: int = 0
    fenced: list[bytes] = []
    kept: Path | None = None
    """Where that of the fenced runs is kept."""
    notes: list[str] = []
    """What else there is to say: damage, refusals."""

    def __str__(self) -> str:
        process = self.owner.process
        parts = [f"Delivered what process {process.pid} ({process.command}) left: {self.batches} batches."]
        if self.fenced:
            runs = ", ".join(id_text(root) for root in sorted(self.fenced))
            parts.append(
                f"Not recorded, since another attempt was started or it was deleted: flow run {runs}; kept in "
                f"{self.kept} (`dalsegno flow-run deliver --show {self.kept}`)."
            )
        return " ".join([*parts, *self.notes])


class Leftovers:
    """The files that nobody holds any more, delivered batch by batch."""

    def __init__(self, backend: Backend, folder: SpoolFolder, tell: Callable[[str], None]) -> None:
        self.delivered: list[Delivered] = []
        self._backend = backend
        self._folder = folder
        self._tell = tell
        self._file: _File | None = None
        self._unreadable: set[Path] = set()

    def step(self) -> bool:
        """Deliver a batch; False: nothing is left that is nobody's. Raises BackendUnavailable."""
        if self._file is None:
            spool = self._take()
            if spool is None:
                return False
            self._file = _File(spool, Carrier(self._backend, self._folder, spool.owner))
        if not self._file.step():
            self._file.spool.remove()
            self.delivered.append(self._file.report())
            self._tell(str(self.delivered[-1]))
            self._file = None
        return True

    def release(self) -> None:
        """Leave what is not delivered to others."""
        if self._file is not None:
            self._file.spool.close()
            self._file = None

    def _take(self) -> Spool | None:
        for path in self._folder.left():
            if path in self._unreadable:
                continue
            try:
                spool = Spool.take(path)
            except (OSError, FrameError) as error:
                self._unreadable.add(path)
                self._tell(f"{path} cannot be delivered: {error}. Its bytes are left as they are.")
                continue
            if spool is not None:
                return spool
        return None


class _File:
    def __init__(self, spool: Spool, carrier: Carrier) -> None:
        self.spool = spool
        self._carrier = carrier
        self._report = Delivered(spool.owner)

    def step(self) -> bool:
        batch = self.spool.first()
        if batch is None:
            return False
        try:
            self._carrier.carry(batch)
            self._report.batches += 1
        except SetAside as refused:
            self._report.refused += 1
            self._report.notes.append(str(refused))
        self.spool.delivered()
        return True

    def report(self) -> Delivered:
        if self._carrier.fenced:
            self._report.fenced = list(self._carrier.fenced)
            self._report.kept = self._carrier.folder.kept_path(FENCED, self.spool.owner)
        if self.spool.damage is not None:
            self._report.notes.append(f"{self.spool.damage}.")
        return self._report


def deliver_left(backend: Backend, folder: SpoolFolder, tell: Callable[[str], None]) -> list[Delivered]:
    """Deliver all that processes left which are gone. Raises BackendUnavailable if the server cannot take it."""
    leftovers = Leftovers(backend, folder, tell)
    try:
        while leftovers.step():
            pass
    finally:
        leftovers.release()
    return leftovers.delivered


def take_up_refused(folder: SpoolFolder, tell: Callable[[str], None]) -> None:
    """Put what the server refused back among what is to be delivered."""
    for path in folder.refused():
        try:
            spool = Spool.take(path)
        except (OSError, FrameError) as error:
            tell(f"{path} cannot be delivered: {error}. Its bytes are left as they are.")
            continue
        if spool is not None:
            folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(folder.free_path(path.stem))
            spool.close()
