"""What a worker and its template processes tell each other: msgpack frames over a Unix socket pair."""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

from dalsegno.model.deployments import ClaimedDeployment

_LENGTH = struct.Struct("<I")


class FileStamp(msgspec.Struct, frozen=True, array_like=True):
    """A file as it was when it was loaded; all of it zero: it was changed while it was loaded."""

    path: str
    modified: int
    size: int
    inode: int


class Load(msgspec.Struct, tag=True):
    """To a template: import the code that this entry point names."""

    entrypoint: str | None
    fork: bool
    """Whether runs are forked; if not, nothing is imported, and each run gets a fresh interpreter."""


class Execute(msgspec.Struct, tag=True, kw_only=True):
    """Execute an attempt of a run in a process of its own. Three handles go with it: output, errors, and the report."""

    number: int
    """The worker's own, for this process."""
    flow_run_id: bytes
    attempt: int
    entrypoint: str | None = None
    deployment: ClaimedDeployment | None = None
    wrapper: list[str] = []
    """What goes before its command line, where it is not forked."""
    hooks: bool = False
    """Call the hooks of its final state, and nothing else."""


class Ready(msgspec.Struct, tag=True):
    """From a template: the code is there."""

    files: list[FileStamp]
    obstacle: str | None = None
    """Why no run may be forked from it."""


class Broken(msgspec.Struct, tag=True):
    """From a template: the code cannot be loaded."""

    message: str


class Started(msgspec.Struct, tag=True):
    """From a template: a process was forked."""

    number: int
    pid: int


class Ended(msgspec.Struct, tag=True):
    """From a template: a process ended, with all that was left of its group."""

    number: int
    status: int
    """Negative: the signal that ended it."""


class Report(msgspec.Struct, kw_only=True):
    """What a process that executed a run says at its end."""

    concluded: bool = False
    """The attempt came to an end of its own, which is recorded or waits safely on this machine."""
    message: str = ""
    """Why it did not."""


ToTemplate: TypeAlias = Load | Execute
FromTemplate: TypeAlias = Ready | Broken | Started | Ended

_encode = msgspec.msgpack.Encoder().encode
decode_to_template = msgspec.msgpack.Decoder(ToTemplate).decode
decode_from_template = msgspec.msgpack.Decoder(FromTemplate).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def frame(message: ToTemplate | FromTemplate | Report) -> bytes:
    """Return a message as it is sent."""
    content = _encode(message)
    return _LENGTH.pack(len(content)) + content


class Frames:
    """Puts frames together from what arrives."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def add(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the contents of the frames that are whole now."""
        self._arrived += data
        whole: list[bytes] = []
        while len(self._arrived) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._arrived)[0]
            if len(self._arrived) < end:
                break
            whole.append(bytes(self._arrived[_LENGTH.size : end]))
            del self._arrived[:end]
        return whole
