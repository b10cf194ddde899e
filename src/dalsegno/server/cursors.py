"""Cursors: where a list goes on, as a text that clients hand back and need not understand.

A cursor holds the kind of list that it belongs to and the key of the last item, with a check sum against typing errors.
It gives no rights: whoever has one sees no more than the list itself shows.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TypeVar

import msgspec

from dalsegno.server.problems import InvalidValue

T = TypeVar("T")
_SUM = 6


def write_cursor(kind: str, key: object) -> str:
    """Return the cursor after an item."""
    body = msgspec.msgpack.encode([kind, key])
    return base64.urlsafe_b64encode(_sum(body) + body).decode().rstrip("=")


def read_cursor(kind: str, text: str | None, type: type[T]) -> T | None:
    """Return the key that a cursor holds; None for none. Raises InvalidValue."""
    if text is None:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _wrong() from None
    if data[:_SUM] != _sum(data[_SUM:]):
        raise _wrong()
    try:
        found_kind, key = msgspec.msgpack.decode(data[_SUM:], type=tuple[str, type])
    except msgspec.DecodeError:
        raise _wrong() from None
    if found_kind != kind:
        raise _wrong()
    return key


def _wrong() -> InvalidValue:
    return InvalidValue("cursor", "This is no cursor of this list: take `next_cursor` as a page gave it.")


def _sum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_SUM).digest()
