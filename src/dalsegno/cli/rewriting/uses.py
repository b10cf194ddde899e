"""Rewriting where imported modules are used: `prefect.futures.PrefectFuture`, also by the name of an alias."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from dalsegno.cli.rewriting.findings import Findings
from dalsegno.cli.rewriting.scopes import ROOT, Imported, Names, Other, Scope, Use
from dalsegno.cli.rewriting.statements import OURS, UnexpectedText
from dalsegno.compat.counterparts import Kind, counterpart, join, kind_of, last_of

_PLAIN_CHAIN = re.compile(r"[ \t.\w]*")


def scopes_that_keep(names: Names, tree: ast.Module) -> set[Scope]:
    """Return the scopes in which `prefect` must stay the name of what is imported, for safety."""
    holders = [scope for scope in names.scopes if ROOT in scope.bindings]
    # In a class, a name that the class binds later is still that of the scope outside: no telling apart.
    in_class = any(scope.is_class for scope in holders)
    if in_class or _is_bound_otherwise(names, OURS) or _is_declared(names, ROOT) or _is_named_in_text(tree):
        return set(holders)
    return {scope for scope in holders if not all(_is_plain(binding) for binding in scope.bindings[ROOT])}


def _is_plain(binding: Imported | Other) -> bool:
    """Tell whether a binding is by `import prefect`, or by `import prefect.x`, which binds the same."""
    return isinstance(binding, Imported) and binding.path == "" and binding.alias.asname is None


def _is_bound_otherwise(names: Names, name: str) -> bool:
    """Tell whether a file binds a name anywhere, if only by an import."""
    return any(name in scope.bindings for scope in names.scopes)


def _is_declared(names: Names, name: str) -> bool:
    return any(name in scope.global_names | scope.nonlocal_names for scope in names.scopes)


def _is_named_in_text(tree: ast.Module) -> bool:
    """Tell whether an annotation in quotes, or `__all__`, relies on the name `prefect`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation and _mentions(node.annotation):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns and _mentions(node.returns):
            return True
        if isinstance(node, ast.Name) and node.id == "__all__" and _exports(tree):
            return True
    return False


def _mentions(annotation: ast.expr) -> bool:
    return any(re.search(rf"\b{ROOT}\b", text) for text in _texts(annotation))


def _exports(tree: ast.Module) -> bool:
    return any(text == ROOT for text in _texts(tree))


def _texts(tree: ast.AST) -> list[str]:
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str)]


def rewrite_use(use: Use, keeping: set[Scope], findings: Findings) -> None:
    """Rewrite a name, and the attributes after it, if it stands for a module of Prefect's."""
    scope = use.scope.resolve(use.name.id)
    bindings = _bindings_of(scope, use.name.id)
    paths = {binding.path for binding in bindings if isinstance(binding, Imported)}
    if scope is None or not paths:
        return
    if len(paths) > 1 or Other.ANYTHING in bindings:
        if use.attributes:
            findings.leaves(use.name, _text_of(use.attributes), f"{use.name.id} stands for something else too")
        return
    (path,) = paths
    if use.name.id == ROOT and all(_is_plain(binding) for binding in bindings) and scope not in keeping:
        _rename_root(use.name, findings)
    _rewrite_attributes(use, path, findings)


def _bindings_of(scope: Scope | None, name: str) -> list[Imported | Other]:
    """Return what a name may be bound to; in a class also what it is outside of it."""
    if scope is None:
        return []
    outside = scope.parent.resolve(name) if scope.is_class and scope.parent is not None else None
    return [*scope.bindings[name], *_bindings_of(outside, name)]


def _rename_root(name: ast.Name, findings: Findings) -> None:
    start = findings.source.start(name)
    if not findings.source.has(start, ROOT):
        raise UnexpectedText(ROOT)
    name.id = OURS
    findings.replace(name.lineno, start, start + len(ROOT), OURS)


def _rewrite_attributes(use: Use, path: str, findings: Findings) -> None:
    chain, asked, kind = follow(path, use.attributes)
    if not chain:
        return
    if kind is Kind.MISSING:
        findings.lacks(chain[-1].end_lineno or chain[-1].lineno, join(ROOT, asked))
    base, ours = counterpart(path), counterpart(asked)
    words = _words_after(base, ours)
    if words == [attribute.attr for attribute in chain]:
        return
    if not words:
        findings.leaves(use.name, _text_of(chain), f"write {join(OURS, ours)}")
    elif len(words) == len(chain):
        for attribute, word in zip(chain, words, strict=True):
            _rename_attribute(attribute, word, findings)
    else:
        _replace_chain(use.name, chain, words, findings)


def follow(path: str, attributes: Sequence[ast.Attribute]) -> tuple[Sequence[ast.Attribute], str, Kind]:
    """Return the attributes as far as they are modules or the first name in one, their path, and its kind."""
    kind = Kind.MODULE
    for count, attribute in enumerate(attributes, start=1):
        path = join(path, attribute.attr)
        kind = kind_of(path)
        if kind is not Kind.MODULE:
            return attributes[:count], path, kind
    return attributes, path, kind


def _words_after(base: str, path: str) -> list[str]:
    """Return the words of a path that come after those of `base`; none if it lies elsewhere."""
    if base and not path.startswith(f"{base}."):
        return []
    return path[len(base) :].strip(".").split(".") if path != base else []


def _rename_attribute(attribute: ast.Attribute, word: str, findings: Findings) -> None:
    if attribute.attr == word:
        return
    end = findings.source.end(attribute)
    start = end - len(attribute.attr)
    if not findings.source.has(start, attribute.attr):
        raise UnexpectedText(attribute.attr)
    attribute.attr = word
    findings.replace(attribute.end_lineno or attribute.lineno, start, end, word)


def _replace_chain(name: ast.Name, chain: Sequence[ast.Attribute], words: list[str], findings: Findings) -> None:
    """Replace all attributes after a name by others, if only spaces stand between them."""
    start, end = findings.source.end(name), findings.source.end(chain[-1])
    if not _PLAIN_CHAIN.fullmatch(findings.source.text, start, end):
        findings.leaves(name, _text_of(chain), f"write {'.'.join(words)} after {name.id}")
        return
    value: ast.expr = name
    for word in words[:-1]:
        value = ast.Attribute(value, word, ast.Load())
    chain[-1].value, chain[-1].attr = value, last_of(".".join(words))
    findings.replace(name.lineno, start, end, "".join(f".{word}" for word in words))


def _text_of(chain: Sequence[ast.Attribute]) -> str:
    return ast.unparse(chain[-1])
