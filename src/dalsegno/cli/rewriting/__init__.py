"""Rewriting Python code from Prefect's names to ours: texts go in and come out, no file is touched.

`rewrite` is where to begin. The tree of a file says what to change, and the changes are made in its text, so
that formatting and comments stay. What comes out must parse to the tree that was wanted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

import msgspec

from dalsegno.cli.rewriting.findings import Change, Findings, Left, Missing
from dalsegno.cli.rewriting.scopes import ROOT, Imported, Names, Scope, read_names
from dalsegno.cli.rewriting.source import Source
from dalsegno.cli.rewriting.statements import UnexpectedText, rewrite_import, rewrite_import_from
from dalsegno.cli.rewriting.uses import rewrite_use, scopes_that_keep
from dalsegno.compat.counterparts import counterpart, join, last_of

__all__ = ["CannotRewrite", "Change", "Left", "Missing", "Rewritten", "rewrite"]

_TELLING_TEXT = re.compile(rf"\b{ROOT}\.\w|\b{ROOT.upper()}_[A-Z]|^{ROOT}$")


class CannotRewrite(Exception):
    """A text is no Python that can be rewritten; the message says why."""


class Rewritten(msgspec.Struct, frozen=True):
    """The new text of a file, and what there is to tell of it, in order of lines."""

    text: str
    changes: Sequence[Change] = ()
    missing: Sequence[Missing] = ()
    left: Sequence[Left] = ()


def rewrite(text: str) -> Rewritten:
    """Return Python code with the imports and uses of Prefect made ours. Raises CannotRewrite.

    Example:
        >>> rewrite("from prefect import flow").text
        'from dalsegno import flow'
    """
    if ROOT not in text.lower():
        return Rewritten(text)
    try:
        rewritten = _rewrite_exactly(text)
    except SyntaxError as error:
        raise CannotRewrite(f"it is not valid Python: {error.msg} (line {error.lineno})") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise CannotRewrite(f"Python cannot parse it: {error}") from error
    if rewritten is None:
        raise CannotRewrite("it is written in a way that cannot be changed with certainty; change it by hand")
    return rewritten


def _rewrite_exactly(text: str) -> Rewritten | None:
    """Return the text rewritten; None if what comes out is not exactly what was wanted."""
    tree = ast.parse(text)
    findings = Findings(Source(text))
    names = read_names(tree)
    _note_texts(tree, findings)
    _note_stars(tree, names, findings)
    try:
        _rewrite_tree(tree, names, findings)
    except (UnexpectedText, UnicodeDecodeError, IndexError):
        return None
    new = findings.source.edited(findings.edits)
    if not _is_tree_of(tree, new):
        return None
    return Rewritten(
        new,
        sorted(findings.changes, key=_line),
        sorted(findings.missing, key=_line),
        sorted(findings.left, key=_line),
    )


def _rewrite_tree(tree: ast.Module, names: Names, findings: Findings) -> None:
    """Change the tree, and find the edits that do the same to its text."""
    keeping = scopes_that_keep(names, tree)
    kept = _aliases_that_keep(keeping)
    for use in names.uses:
        rewrite_use(use, keeping, findings)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            rewrite_import(node, kept, findings)
        elif isinstance(node, ast.ImportFrom):
            rewrite_import_from(node, findings)


def _aliases_that_keep(keeping: set[Scope]) -> set[ast.alias]:
    bindings = (binding for scope in keeping for binding in scope.bindings[ROOT])
    return {found.alias for found in bindings if isinstance(found, Imported) and found.alias.asname is None}


def _is_tree_of(tree: ast.Module, text: str) -> bool:
    try:
        return ast.dump(ast.parse(text)) == ast.dump(tree)
    except SyntaxError:
        return False


def _note_texts(tree: ast.Module, findings: Findings) -> None:
    """Note the texts that name Prefect's modules, variables or logger: texts are never changed."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str) and _TELLING_TEXT.search(node.value):
            findings.leaves(node, repr(node.value), "texts are not changed")


def _note_stars(tree: ast.Module, names: Names, findings: Findings) -> None:
    """Note names that `from prefect.x import *` gave and that are called otherwise here."""
    paths = list(_paths_of_stars(tree))
    for use in names.uses:
        name = use.name.id
        if any(last_of(counterpart(join(path, name))) != name for path in paths) and not use.scope.resolve(name):
            findings.leaves(use.name, name, "it is called otherwise in what `import *` gives now")


def _paths_of_stars(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.names[0].name == "*":
            first, _, path = (node.module or "").partition(".")
            if first == ROOT:
                yield path


def _line(finding: Change | Missing | Left) -> int:
    return finding.line
