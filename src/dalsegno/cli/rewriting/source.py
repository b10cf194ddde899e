"""The text of a Python file: where a node of its tree stands in it, and edits that leave all else as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


class Edit(NamedTuple):
    """Text to be put in place of the characters from `start` up to `end`."""

    start: int
    end: int
    text: str


class Source:
    """A text, and where its lines begin. Lines end as for Python's parser, which is not as for `str.splitlines`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [match.start() for match in _LINE.finditer(text)]

    def offset(self, line: int, column: int) -> int:
        """Return the place in the text of a place in the tree: a line from 1, a column in bytes of UTF-8."""
        start = self._lines[line - 1]
        characters = self.text[start : start + column]
        if characters.isascii():
            return start + column
        return start + len(characters.encode()[:column].decode())

    def start(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Return where a node begins."""
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        """Return where an expression ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.end_lineno, node.end_col_offset)

    def has(self, start: int, word: str) -> bool:
        """Tell whether a word stands in the text at a place."""
        return self.text.startswith(word, start)

    def edited(self, edits: Iterable[Edit]) -> str:
        """Return the text with edits made that do not overlap."""
        parts: list[str] = []
        done = 0
        for edit in sorted(edits):
            parts += [self.text[done : edit.start], edit.text]
            done = edit.end
        return "".join([*parts, self.text[done:]])
