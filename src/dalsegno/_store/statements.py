"""Multi-row statements in a few fixed sizes, so that a batch of any size is a handful of prepared statements.

A statement per row would take the interpreter's lock anew for each row; these run thousands of rows without it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

SIZES = (256, 64, 16, 4, 1)
"""Rows per statement. The largest keeps 256 × 20 values below SQLite's limit of 32,766."""


class RowStatement:
    """An INSERT of many rows: `head` up to VALUES, `tail` after the rows."""

    def __init__(self, head: str, columns: int, tail: str = "") -> None:
        row = "(" + ",".join("?" * columns) + ")"
        # The same str object each time: the connection finds its prepared statement by it.
        self._texts = [(size, f"{head} VALUES {','.join([row] * size)} {tail}") for size in SIZES]

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it for all rows."""
        start, left = 0, len(rows)
        for size, text in self._texts:
            while left >= size:
                connection.execute(text, [*chain.from_iterable(rows[start : start + size])])
                start += size
                left -= size


def in_chunks(values: Sequence[Any], size: int = 500) -> Iterator[tuple[str, list[Any]]]:
    """Split values for an IN clause: yields its question marks and its values.

    The number of question marks is rounded up to a power of two (the last value is repeated), so that there are few
    different statements.
    """
    for start in range(0, len(values), size):
        chunk = list(values[start : start + size])
        wanted = min(size, 1 << (len(chunk) - 1).bit_length())
        chunk.extend([chunk[-1]] * (wanted - len(chunk)))
        yield ",".join("?" * wanted), chunk
