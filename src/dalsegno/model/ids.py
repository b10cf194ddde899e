"""Identifiers: UUID version 7 as 16 raw bytes, in time order within a process."""

from __future__ import annotations

import os
import random
import time
import uuid

_random = random.Random(os.urandom(16))


def _reseed() -> None:
    _random.seed(os.urandom(16))


os.register_at_fork(after_in_child=_reseed)


def new_id(now_ns: int | None = None) -> bytes:
    """Return a new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, 12 bits of the fraction, 62 random bits.

    The 12 bits after the version hold the sub-millisecond fraction (method 3 of section 6.2), so that ids made by
    one process sort by the time they were made to a quarter of a microsecond.
    """
    milliseconds, rest = divmod(now_ns or time.time_ns(), 1_000_000)
    value = (milliseconds << 80) | 0x7000_8000_0000_0000_0000 | ((rest * 4096 // 1_000_000) << 64)
    return (value | _random.getrandbits(62)).to_bytes(16, "big")


def id_text(value: bytes) -> str:
    """Return the usual text of an id: ``"0193a0f2-....-7...-....-............"``."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: str | uuid.UUID | bytes) -> bytes:
    """Return the 16 bytes of an id given as text, UUID or bytes. Raises ValueError if it is none."""
    if isinstance(text, bytes):
        if len(text) != 16:
            raise ValueError(f"An id has 16 bytes, not {len(text)}.")
        return text
    if isinstance(text, uuid.UUID):
        return text.bytes
    return uuid.UUID(text).bytes


def id_time(value: bytes) -> int:
    """Return the time at which a UUIDv7 was made, in microseconds since 1970 (UTC)."""
    fraction = int.from_bytes(value[6:8], "big") & 0x0FFF
    return int.from_bytes(value[:6], "big") * 1000 + fraction * 1000 // 4096
