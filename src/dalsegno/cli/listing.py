"""Walking through lists page by page, and showing them as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

import msgspec

from dalsegno.cli.as_json import show_json_list
from dalsegno.cli.options import OutputFormat
from dalsegno.cli.screen import Screen, standard_output
from dalsegno.cli.tables import Cell, Column, table
from dalsegno.model.views import Page

PAGE = 500


class WithId(Protocol):
    """What pages are keyed by."""

    id: bytes


T = TypeVar("T")
V = TypeVar("V", bound=WithId)
Rows = Callable[[Sequence[Any], Screen], "Table"]


class Table(msgspec.Struct, frozen=True):
    """What is to be shown: columns and rows."""

    heads: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]


def pages(fetch: Callable[[Page], Sequence[V]], limit: int | None, *, oldest_first: bool = False) -> Iterator[V]:
    """Yield what `fetch` gives for page after page, `limit` objects at most (None: all)."""
    after: bytes | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = fetch(Page(limit=size, after=after, oldest_first=oldest_first))
        yield from found
        if len(found) < size:
            return
        after = found[-1].id
        left = None if left is None else left - size


def show_list(
    items: Iterator[Any],
    limit: int | None,
    output: OutputFormat,
    rows: Rows,
    *,
    empty: str,
    more: str = "--all",
) -> None:
    """Print up to `limit` of the items; `items` gives one more if there is one, so that this can be said.

    `empty` is what to say where there are none, and what to do about it.
    """
    if output == "json":
        show_json_list(items if limit is None else islice(items, limit))
        return
    shown = list(items if limit is None else islice(items, limit))
    if not shown:
        print(empty)
        return
    screen = standard_output()
    whole = rows(shown, screen)
    print(table(whole.heads, whole.rows, screen))
    if next(items, None) is not None:
        print(screen.paint(f"Only the first {len(shown)}; {more} shows the rest.", "dim"))


def with_one_more(limit: int, everything: bool) -> tuple[int | None, int | None]:
    """Return how many to show and how many to ask for."""
    return (None, None) if everything else (limit, limit + 1)
