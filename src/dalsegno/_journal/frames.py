"""The format of a spool file, and nothing else: bytes in, batches out.

A file is a signature, the place up to which it is delivered, and frames. A frame is the length and the CRC-32 of its
content, and the content: msgpack. The first frame says whose file it is; all others are batches, in order.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Generic, TypeVar

import msgspec

from dalsegno.model.records import Batch, ProcessRecord
from dalsegno.model.texts import storable

SIGNATURE = b"dalsegno spool 1\n"
_DELIVERED = struct.Struct("<QI")
_HEAD = struct.Struct("<II")
FIRST_FRAME = len(SIGNATURE) + _DELIVERED.size

_encode = msgspec.msgpack.Encoder().encode


class Owner(msgspec.Struct, frozen=True):
    """Whose batches are in a file: the process that made them, and the server that they are for."""

    url: str
    process: ProcessRecord


class FrameError(Exception):
    """There is no whole frame at a place of a file. Never leaves the journal."""

    def __init__(self, position: int, what: str, *, torn: bool) -> None:
        super().__init__(what)
        self.position = position
        self.torn = torn
        """Whether it merely ends too early, as when its process was killed while it wrote."""


T = TypeVar("T")


class Frame(msgspec.Struct, Generic[T], frozen=True):
    """What stands in a frame, and where the next one begins."""

    content: T
    end: int


def pack_frame(content: Batch | Owner) -> bytes:
    """Return a frame as bytes."""
    try:
        packed = _encode(content)
    except UnicodeEncodeError:  # a text that is no Unicode, such as an odd file name
        packed = _encode(storable(msgspec.to_builtins(content, builtin_types=(bytes,))))
    return _HEAD.pack(len(packed), zlib.crc32(packed)) + packed


def pack_delivered(position: int) -> bytes:
    """Return the note up to where a file is delivered."""
    packed = position.to_bytes(8, "little")
    return packed + zlib.crc32(packed).to_bytes(4, "little")


def pack_beginning(owner: Owner) -> bytes:
    """Return what a new file begins with."""
    frame = pack_frame(owner)
    return SIGNATURE + pack_delivered(FIRST_FRAME + len(frame)) + frame


def read_beginning(handle: int) -> tuple[Owner, int]:
    """Return whose file it is, and where what is not delivered begins. Raises FrameError."""
    if os.pread(handle, len(SIGNATURE), 0) != SIGNATURE:
        raise FrameError(0, "it is not one of Dalsegno's", torn=os.fstat(handle).st_size < len(SIGNATURE))
    first = _read(handle, FIRST_FRAME, Owner)
    noted = os.pread(handle, _DELIVERED.size, len(SIGNATURE))
    position, check = _DELIVERED.unpack(noted)
    # Half a note, or none: from the beginning then, since what arrives twice is harmless.
    is_sound = zlib.crc32(noted[:8]) == check and first.end <= position <= os.fstat(handle).st_size
    return first.content, position if is_sound else first.end


def begins_at(handle: int) -> int:
    """Return where the batches of a file begin, delivered or not. Raises FrameError."""
    return _read(handle, FIRST_FRAME, Owner).end


def note_delivered(handle: int, position: int) -> None:
    """Note in a file up to where it is delivered."""
    os.pwrite(handle, pack_delivered(position), len(SIGNATURE))


def read_batch(handle: int, position: int) -> Frame[Batch] | None:
    """Return the batch that stands at a position; None at the end of the file. Raises FrameError."""
    return None if position == os.fstat(handle).st_size else _read(handle, position, Batch)


def length_at(handle: int, position: int) -> int | None:
    """Return how long the frame at a position is, unread; None if there is no whole one."""
    head = os.pread(handle, _HEAD.size, position)
    if len(head) < _HEAD.size:
        return None
    length = _HEAD.size + _HEAD.unpack(head)[0]
    return length if position + length <= os.fstat(handle).st_size else None


def _read(handle: int, position: int, kind: type[T]) -> Frame[T]:
    length = length_at(handle, position)
    if length is None:
        raise FrameError(position, "its last entry is incomplete", torn=True)
    whole = _read_whole(handle, length, position)
    packed = memoryview(whole)[_HEAD.size :]
    if zlib.crc32(packed) != _HEAD.unpack_from(whole)[1] or not packed:
        raise FrameError(position, f"the entry at byte {position} is damaged", torn=not any(whole[: _HEAD.size]))
    try:
        return Frame(msgspec.msgpack.decode(packed, type=kind), position + length)
    except msgspec.DecodeError as error:
        raise FrameError(position, f"the entry at byte {position} cannot be read: {error}", torn=False) from error


def _read_whole(handle: int, length: int, position: int) -> bytes:
    """Return that many bytes; the system gives less than 2 GiB at once."""
    parts: list[bytes] = []
    while length:
        part = os.pread(handle, length, position)
        if not part:
            break
        parts.append(part)
        position += len(part)
        length -= len(part)
    return b"".join(parts)
