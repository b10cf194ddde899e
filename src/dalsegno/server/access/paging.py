"""Keyset pages of the lists of who may use the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias, TypeVar

from litestar.params import QueryParameter

from dalsegno.server.cursors import write_cursor

T = TypeVar("T")

Cursor: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=500, description="`next_cursor` of the page before; none: the first page.")
]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=500, description="How many at most.")]


def cut(kind: str, found: Sequence[T], limit: int, key: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """Return a page and the cursor of the next one; one more than `limit` was asked for, to see if there is one."""
    if len(found) <= limit:
        return found, None
    shown = found[:limit]
    return shown, write_cursor(kind, key(shown[-1]))
