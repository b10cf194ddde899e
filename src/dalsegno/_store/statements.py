"""Multi-row statements in a few fixed sizes, so that a batch of any size is a handful of prepared statements.

A statement per row would take the interpreter's lock anew for each; these run hundreds of rows without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from dalsegno._store.connection import Connection
from dalsegno.model.texts import storable

SIZES = (128, 32, 8, 1)
"""Rows per statement. Larger ones gain nothing but take SQLite milliseconds to prepare, in each process anew."""


ARRAY_TYPES = {"b": "bytea", "i": "bigint", "t": "text", "f": "double precision"}
"""PostgreSQL's names of the types of columns, by the letters of `RowStatement.types`."""

_FILLED = 0.6
"""A statement is used if it is filled to this part: a few rows twice cost less than more statements."""


class RowStatement:
    """An INSERT of many rows: `head` up to VALUES, `row` for one row, `tail` after the rows.

    Binding a value holds the interpreter's lock, and the sqlite3 module looks for an adapter of each value that is not
    exactly an int, float, str or bytearray, which costs ten times what binding does. So on the hot path bytes
    go as bytearray, and what is NULL as a value that cannot be meant, which `nullif` in `row` turns into
    NULL.

    PostgreSQL gets one array for each column, `types` says of what: bytes, int, text or float by their first letters.
    There None is NULL. `key` is the number of columns at the beginning that no two rows of one statement may share.
    """

    def __init__(self, head: str, *, row: str, types: str, tail: str = "", key: int = 1) -> None:
        # The same str object each time: the connection finds its prepared statement by it.
        self._texts = [(size, f"{head} VALUES {','.join([f'({row})'] * size)} {tail}") for size in SIZES]
        self._arrays = (
            f"{head} SELECT * FROM unnest({','.join(f'?::{ARRAY_TYPES[letter]}[]' for letter in types)}) {tail}"
        )
        self._types = types
        self._key = key

    def run(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Execute it for all rows. It must do nothing for a row that it has just written: some are given
        twice."""
        if connection.dialect == "postgresql":
            for part in _without_twins(rows, self._key):
                self.run_columns(connection, list(zip(*part, strict=True)))
            return
        start, left = 0, len(rows)
        while left > 0:
            size, text = next(each for each in self._texts if each[0] * _FILLED <= left)
            chunk = rows[start : start + size]
            if left < size:
                chunk = [*chunk, *[chunk[-1]] * (size - left)]
            values = [*chain.from_iterable(chunk)]
            try:
                connection.execute(text, values)
            except UnicodeEncodeError:
                connection.execute(text, storable(values))
            start += size
            left -= size

    def run_columns(self, connection: Connection, columns: Sequence[Sequence[Any]]) -> None:
        """Execute it on PostgreSQL for rows that are given column by column."""
        from dalsegno._store.postgresql.arrays import MAKERS

        connection.execute(
            self._arrays, [MAKERS[letter](column) for letter, column in zip(self._types, columns, strict=True)]
        )


def _without_twins(rows: Sequence[Sequence[Any]], key: int) -> Iterator[Sequence[Sequence[Any]]]:
    """Split rows so that no two of a part have the same key: one statement may not write a row twice."""
    left = rows
    while left:
        first: dict[tuple[Any, ...], Sequence[Any]] = {}
        again = [row for row in left if first.setdefault(tuple(row[:key]), row) is not row]
        yield list(first.values()) if again else left
        left = again


def locking(connection: Connection, text: str) -> str:
    """Return a SELECT that keeps its rows from others' changes until the end of the transaction.

    On SQLite whoever writes is alone.
    """
    return f"{text} FOR UPDATE" if connection.dialect == "postgresql" else text


def skipping(connection: Connection, text: str) -> str:
    """Return a SELECT that locks its rows as `locking` does, without those that others have locked."""
    return f"{text} FOR UPDATE SKIP LOCKED" if connection.dialect == "postgresql" else text


def sharing(connection: Connection, text: str) -> str:
    """Return a SELECT whose rows nobody changes or deletes until the end of the transaction; others may read so too."""
    return f"{text} FOR SHARE" if connection.dialect == "postgresql" else text


def marks(columns: int) -> str:
    """Return the question marks of so many columns."""
    return ",".join("?" * columns)


def in_chunks(values: Sequence[Any], size: int = 500) -> Iterator[tuple[str, list[Any]]]:
    """Split values for an IN clause: yields its question marks and its values.

    The number of question marks is rounded up to a power of two (the last value is repeated), so that there
    are few different statements.
    """
    for start in range(0, len(values), size):
        chunk = list(values[start : start + size])
        wanted = min(size, 1 << (len(chunk) - 1).bit_length())
        chunk.extend([chunk[-1]] * (wanted - len(chunk)))
        yield ",".join("?" * wanted), chunk
