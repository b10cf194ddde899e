"""Keyset pages of the lists of this part of the API: a cursor is the last key of a page, as text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias, TypeVar

from litestar.params import QueryParameter

from dalsegno.exceptions import BackendError

T = TypeVar("T")

Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=500, description="`next_cursor` of the page before; none: the first page.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most.")]


def cut(found: Sequence[T], limit: int, key: Callable[[T], bytes]) -> tuple[Sequence[T], str | None]:
    """Return a page and the cursor of the next one; one more than `limit` was asked for, to see if there is one."""
    if len(found) <= limit:
        return found, None
    shown = found[:limit]
    return shown, base64.urlsafe_b64encode(key(shown[-1])).decode().rstrip("=")


def name_after(cursor: str | None) -> str | None:
    """Return the name that a cursor stands for."""
    try:
        return None if cursor is None else _read(cursor).decode()
    except UnicodeDecodeError:
        raise _no_cursor(cursor) from None


def id_after(cursor: str | None) -> bytes | None:
    """Return the id that a cursor stands for."""
    id = None if cursor is None else _read(cursor)
    if id is not None and len(id) != 16:
        raise _no_cursor(cursor)
    return id


def _read(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _no_cursor(cursor) from None


def _no_cursor(cursor: str | None) -> BackendError:
    return BackendError(f"{cursor!r} is no cursor of this list: pass on `next_cursor` as it came.")
