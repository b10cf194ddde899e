"""How a result stands in a row: one byte string that says where the value is and how to read it."""

from __future__ import annotations

import msgspec

# The first byte of a packed result.
PLAIN = 1  # the rest is the value as msgpack: None, bool, int, float, str, bytes, list, dict of exact types
STORED = 2  # the rest is a StoredResult as msgpack


class StoredResult(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """A result that is not plain, or not small enough to stand in its row.

    Exactly one of `data`, `blob`, `url` says where the serialized bytes are.
    """

    serializer: str
    """Name of the serializer: ``"msgpack"`` (plain), ``"pickle"``, ``"json"``, ``"compressed/pickle"`` ..."""
    size: int
    """Bytes, as serialized."""
    data: bytes | None = None
    """The bytes themselves (small results)."""
    blob: bytes | None = None
    """Key of a row of the write-once result table (middle-sized results)."""
    url: str | None = None
    """fsspec URL of a file (large results, or `result_storage`)."""
    signature: bytes | None = None
    """HMAC-SHA256, where the serializer can run code when it loads."""
    key_id: str | None = None
    """Which key signed."""
    address: bytes | None = None
    """What was signed together with the bytes: run id and execution, or cache key."""
    expires: int | None = None
    """Microseconds since 1970 (UTC); None: never."""
    media_type: str | None = None
    encryption: str | None = None
    """Id of the key that the bytes are encrypted with; None: they are not."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredResult).decode


def pack_plain(payload: bytes) -> bytes:
    """Return the packed form of a plain value given as msgpack."""
    return b"\x01" + payload


def pack_stored(stored: StoredResult) -> bytes:
    """Return the packed form of a result that needs a description."""
    return b"\x02" + _encode(stored)


def unpack_stored(packed: bytes) -> StoredResult | None:
    """Return the description of a packed result, or None if it is a plain value in line."""
    return _decode(packed[1:]) if packed[0] == STORED else None
