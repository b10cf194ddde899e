"""Rewriting import statements."""

from __future__ import annotations

import ast
import re

from dalsegno.cli.rewriting.findings import Findings
from dalsegno.cli.rewriting.scopes import ROOT
from dalsegno.compat.counterparts import Kind, counterpart, join, kind_of, last_of, parent_of

OURS = "dalsegno"
# What may stand between the words of a dotted name: spaces, and ends of lines after a backslash.
_GAP = r"(?:[ \t\f]|\\(?:\r\n|\r|\n))*"


class UnexpectedText(ValueError):
    """The text is not what its tree says, so that it cannot be edited with certainty."""


def rewrite_import(node: ast.Import, kept: set[ast.alias], findings: Findings) -> None:
    """Rewrite `import prefect.x [as y]`; those in `kept` go on to bind the name `prefect`."""
    for alias in node.names:
        first, _, path = alias.name.partition(".")
        if _is_helper(first):
            findings.lacks(alias.lineno, alias.name)
        if first != ROOT:
            continue
        if kind_of(path) is Kind.MISSING:
            findings.lacks(alias.lineno, alias.name)
        start = findings.source.start(alias)
        found = _dotted(alias.name).match(findings.source.text, start)
        if found is None:
            raise UnexpectedText(alias.name)
        if alias in kept:
            alias.name, alias.asname = OURS, ROOT
            findings.replace(alias.lineno, start, found.end(), f"{OURS} as {ROOT}")
        else:
            alias.name = join(OURS, counterpart(path))
            _replace_dotted(alias.lineno, found, path, counterpart(path), findings)


def rewrite_import_from(node: ast.ImportFrom, findings: Findings) -> None:
    """Rewrite `from prefect.x import y [as z]`. Names that are called otherwise here keep theirs by `as`."""
    first, _, path = (node.module or "").partition(".")
    if node.level:
        return
    if _is_helper(first):
        findings.lacks(node.lineno, f"{node.module}.{node.names[0].name}")
    if first != ROOT:
        return
    home = _home(node, path)
    statement = re.compile(f"from{_GAP}{_dotted(node.module or '').pattern}")
    found = statement.match(findings.source.text, findings.source.start(node))
    if found is None:
        raise UnexpectedText(f"from {node.module}")
    _replace_dotted(node.lineno, found, path, home, findings)
    node.module = join(OURS, home)
    for alias in node.names:
        _rewrite_name(alias, path, home, findings)


def _rewrite_name(alias: ast.alias, path: str, home: str, findings: Findings) -> None:
    old = alias.name
    if old == "*":
        if kind_of(path) is Kind.MISSING:
            findings.lacks(alias.lineno, f"{join(ROOT, path)}.*")
        return
    asked = join(path, old)
    ours = counterpart(asked)
    if kind_of(asked) is Kind.MISSING or parent_of(ours) != home or not ours:
        findings.lacks(alias.lineno, join(ROOT, asked))
    if parent_of(ours) != home or not ours or last_of(ours) == old:
        return
    start = findings.source.start(alias)
    if not findings.source.has(start, old):
        raise UnexpectedText(old)
    alias.name = last_of(ours)
    new = alias.name if alias.asname else f"{alias.name} as {old}"
    alias.asname = alias.asname or old
    findings.replace(alias.lineno, start, start + len(old), new)


def _home(node: ast.ImportFrom, path: str) -> str:
    """Return the module of ours to import from: where the names moved, if they all moved to one place."""
    ours = [counterpart(join(path, alias.name)) for alias in node.names if alias.name != "*"]
    homes = {parent_of(name) for name in ours}
    return homes.pop() if len(homes) == 1 and all(ours) else counterpart(path)


def _replace_dotted(line: int, found: re.Match[str], path: str, ours: str, findings: Findings) -> None:
    """Replace a dotted name; only its first word if that is all that differs."""
    start, end = found.span("module")
    if path == ours:
        findings.replace(line, start, start + len(ROOT), OURS)
    else:
        findings.replace(line, start, end, join(OURS, ours))


def _dotted(name: str) -> re.Pattern[str]:
    words = rf"{_GAP}\.{_GAP}".join(re.escape(word) for word in name.split("."))
    return re.compile(rf"(?P<module>{words})(?!\w)")


def _is_helper(first: str) -> bool:
    return first.startswith(f"{ROOT}_")
