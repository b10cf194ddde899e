"""What rewriting a file finds: the places that change, names without a counterpart, and what is left to a person."""

from __future__ import annotations

import ast

import msgspec

from dalsegno.cli.rewriting.source import Edit, Source


class Change(msgspec.Struct, frozen=True):
    """Text that became another."""

    line: int
    old: str
    new: str


class Missing(msgspec.Struct, frozen=True):
    """A name that this version has no counterpart of."""

    line: int
    name: str


class Left(msgspec.Struct, frozen=True):
    """A place that was left as it is, although it may mean Prefect."""

    line: int
    text: str
    reason: str


class Findings:
    """Collects the edits of one file, each with its line, and what is to be told of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.edits: list[Edit] = []
        self.changes: list[Change] = []
        self.missing: list[Missing] = []
        self.left: list[Left] = []

    def replace(self, line: int, start: int, end: int, new: str) -> None:
        """Put a text in place of another."""
        old = self.source.text[start:end]
        self.edits.append(Edit(start, end, new))
        self.changes.append(Change(line, " ".join(old.split()), new))

    def lacks(self, line: int, name: str) -> None:
        """Note a name without a counterpart."""
        self.missing.append(Missing(line, name))

    def leaves(self, node: ast.expr | ast.stmt | ast.alias, text: str, reason: str) -> None:
        """Note a place that a person should look at."""
        self.left.append(Left(node.lineno, text, reason))
