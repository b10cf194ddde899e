"""The note that a server leaves in the home folder while it runs: how `server status` and `server stop` find it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import msgspec

from dalsegno._processes import current_process, is_alive
from dalsegno.model.records import ProcessRecord


class Presence(msgspec.Struct, frozen=True):
    """A server that runs on this machine, for one home folder."""

    url: str
    path: str
    """Of the note."""
    process: ProcessRecord

    @classmethod
    def of(cls, url: str, home: Path) -> Presence:
        """Return the note of this process for a URL; entering it leaves the note, leaving it takes it away."""
        return cls(url, str(_folder(home) / f"server-{urlsplit(url).port}.json"), current_process())

    def __enter__(self) -> Presence:
        path = Path(self.path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(msgspec.json.encode(self))
        os.replace(beside, path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        found = _read(Path(self.path))
        if found is not None and found.process.id == self.process.id:
            Path(self.path).unlink(missing_ok=True)

    @property
    def port(self) -> int | None:
        """The port that it listens on."""
        return urlsplit(self.url).port

    def ask_to_stop(self) -> None:
        """Tell it to stop: it answers what it was asked, and ends."""
        os.kill(self.process.pid, signal.SIGTERM)

    def is_there(self) -> bool:
        """Tell whether it still runs."""
        return is_alive(self.process) is True


def running(home: Path) -> Iterator[Presence]:
    """Yield the servers that run for a home folder; the notes of dead ones are taken away."""
    for path in sorted(_folder(home).glob("server-*.json")):
        found = _read(path)
        if found is None:
            continue
        if found.is_there():
            yield found
        else:
            path.unlink(missing_ok=True)


def _folder(home: Path) -> Path:
    return home / "run"


def _read(path: Path) -> Presence | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Presence)
    except (OSError, msgspec.DecodeError):
        return None
