"""Where spool files lie in the home folder: one folder for each server, and those that keep what was not taken."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from dalsegno._journal import frames
from dalsegno._journal.frames import FrameError, Owner
from dalsegno._journal.spool import SUFFIX, Spool
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.ids import id_text
from dalsegno.model.records import Batch, ProcessRecord

FENCED = "fenced"
REFUSED = "refused"


class SpoolFolder:
    """The files of one server in a home folder. Nothing is made before something has to be kept."""

    def __init__(self, home: Path, url: str) -> None:
        self.url = url
        self.top = home / "spool"
        self._name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
        self.path = self.top / self._name

    def create(self, process: ProcessRecord, max_size: int) -> Spool:
        """Make a process's next spool file."""
        return Spool.create(self.free_path(id_text(process.id)), Owner(self.url, process), max_size)

    def free_path(self, stem: str) -> Path:
        """Return a path of this server's spool files that no file has, by a name that is of one process."""
        for number in itertools.count(1):
            # By name they come in the order in which they were made: what stands in one rests on those before it.
            path = self.path / f"{stem}{'' if number == 1 else f'_{number:06}'}{SUFFIX}"
            if not path.exists():
                return path
        raise AssertionError

    def left(self) -> list[Path]:
        """Return the spool files of this server, also those of living processes; oldest process first."""
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def refused(self) -> list[Path]:
        """Return the files of batches that this server refused."""
        return sorted((self.top / REFUSED).glob(f"{self._name}-*{SUFFIX}"))

    def of_others(self) -> dict[str, int]:
        """Return the URLs of other servers for which files wait here, and how many."""
        found: dict[str, int] = {}
        for path in sorted(self.top.glob(f"*/*{SUFFIX}")):
            if path.parent not in (self.path, self.top / FENCED, self.top / REFUSED):
                owner = _owner_of(path)
                if owner is not None:
                    found[owner.url] = found.get(owner.url, 0) + 1
        return found

    def keep(self, why: str, owner: Owner, batch: Batch) -> Path:
        """Add a batch of a process to what is kept as FENCED or REFUSED; return the file."""
        path = self.kept_path(why, owner)
        try:
            kept = Spool.take(path, wait=True) or Spool.create(path, owner)
        except FrameError as error:
            raise BackendUnavailable(
                f"{path}, where a batch is to be kept, is damaged: {error}. Move it away."
            ) from error
        try:
            kept.append(batch)
            kept.sync()
        finally:
            kept.close()
        return path

    def kept_path(self, why: str, owner: Owner) -> Path:
        """Return the file where batches of a process are kept as FENCED or REFUSED, whether it is there or not."""
        return self.top / why / f"{self._name}-{id_text(owner.process.id)}{SUFFIX}"


def read_batches(path: Path) -> Iterator[Batch]:
    """Yield every batch in a file, delivered or not, up to the first damage. Raises BackendError if it is no spool
    file."""
    with path.open("rb") as file:
        try:
            frames.read_beginning(file.fileno())
            position = frames.begins_at(file.fileno())
        except FrameError as error:
            raise BackendError(f"{path} cannot be read: {error}.") from error
        while True:
            try:
                frame = frames.read_batch(file.fileno(), position)
            except FrameError:
                return
            if frame is None:
                return
            yield frame.content
            position = frame.end


def _owner_of(path: Path) -> Owner | None:
    try:
        with path.open("rb") as file:
            return frames.read_beginning(file.fileno())[0]
    except (OSError, FrameError):
        return None
