"""The file that carries one root flow run from one database to another: a header, then batches as they are delivered.

After a first line come frames: the length and the CRC-32 of what follows, each in four bytes, and msgpack. The first
frame is the header, the others are batches; one of length zero ends the file, so that one that was cut off is known.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.model.records import Batch

FORMAT = 1
_MAGIC = b"DALSEGNO FLOW RUN\n"
_HEAD = struct.Struct(">II")
_encode = msgspec.msgpack.Encoder().encode


class Header(msgspec.Struct, kw_only=True):
    """What a file says of itself."""

    format: int
    """Raised when what follows changes so that it cannot be read as before."""
    dalsegno: str
    """The version that wrote it."""
    exported: int
    """When, in microseconds since 1970 (UTC)."""
    root_run_id: bytes
    name: str
    flow_name: str


class _Format(msgspec.Struct):
    format: int


def write(path: Path, header: Header, batches: Iterable[Batch]) -> int:
    """Write a file; it is in its place when it is whole. Returns its bytes."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_MAGIC)
            _write_frame(file, _encode(header))
            for batch in batches:
                _write_frame(file, _encode(batch))
            file.write(_HEAD.pack(0, 0))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


@contextmanager
def opened(path: Path) -> Generator[tuple[Header, Iterator[Batch]]]:
    """Open a file that was looked through: give its header and its batches. Raises CommandError if it is not whole."""
    if not path.is_file():
        raise CommandError(f"There is no file {path}.", ExitCode.NOT_FOUND)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise CommandError(f"{path} was not written by `dalsegno flow-run export`.")
        header = _header(path, next(_frames(path, file), b""))
        start = file.tell()
        for frame in _frames(path, file):
            _check(path, header, _batch(path, frame))
        file.seek(start)
        yield header, (_batch(path, frame) for frame in _frames(path, file))


def _write_frame(file: BinaryIO, data: bytes) -> None:
    file.write(_HEAD.pack(len(data), zlib.crc32(data)))
    file.write(data)


def _frames(path: Path, file: BinaryIO) -> Iterator[bytes]:
    while True:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise _damaged(path)
        size, checksum = _HEAD.unpack(head)
        if size == 0:
            return
        data = file.read(size)
        if len(data) < size or zlib.crc32(data) != checksum:
            raise _damaged(path)
        yield data


def _header(path: Path, frame: bytes) -> Header:
    try:
        found = msgspec.msgpack.decode(frame, type=_Format)
        if found.format > FORMAT:
            raise CommandError(
                f"{path} has format {found.format}, and this Dalsegno reads up to format {FORMAT}: upgrade it."
            )
        return msgspec.msgpack.decode(frame, type=Header)
    except msgspec.MsgspecError:
        raise _damaged(path) from None


def _batch(path: Path, frame: bytes) -> Batch:
    try:
        return msgspec.msgpack.decode(frame, type=Batch)
    except msgspec.MsgspecError:
        raise _damaged(path) from None


def _check(path: Path, header: Header, batch: Batch) -> None:
    """See that a batch touches nothing but the run that the header names."""
    records = (*batch.flow_runs, *batch.task_runs, *batch.logs, *batch.artifacts, *batch.blobs)
    if any(record.root_run_id != header.root_run_id for record in records) or batch.recorded:
        raise CommandError(f"{path} holds records of other runs than the one it names; nothing was imported.")


def _damaged(path: Path) -> CommandError:
    return CommandError(f"{path} is damaged or not whole; export the run again. Nothing was imported.")
