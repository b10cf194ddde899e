"""Which module of Prefect's a name in a file stands for, by Python's rules of scope."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from dalsegno.compat.counterparts import Kind, join, kind_of

ROOT = "prefect"


class Other(enum.Enum):
    """What a name is bound to when it is no module of Prefect's."""

    ANYTHING = "anything"
    PLACEHOLDER = "placeholder"
    """None or False, for where an import failed, or nothing any more (`del`)."""


class Imported(msgspec.Struct, frozen=True):
    """A name is bound to a module of Prefect's by an import."""

    path: str
    """Of the module, without the first word."""
    alias: ast.alias


class Use(msgspec.Struct, frozen=True):
    """A name that is read or written, and the attributes that follow it, from left to right."""

    scope: Scope
    name: ast.Name
    attributes: Sequence[ast.Attribute]


class Scope:
    """A module, class, function or comprehension, and what its names are bound to."""

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False, is_comprehension: bool = False) -> None:
        self.parent = parent
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.bindings: dict[str, list[Imported | Other]] = {}
        self.global_names: set[str] = set()
        self.nonlocal_names: set[str] = set()

    def bind(self, name: str, to: Imported | Other = Other.ANYTHING) -> None:
        """Note that a statement in this scope binds a name, here or where `global` or `nonlocal` say."""
        owner = self._owner(name)
        owner.bindings.setdefault(name, []).append(to)

    def resolve(self, name: str) -> Scope | None:
        """Return the scope that binds a name that is used in this one."""
        scope: Scope | None = self._owner(name)
        while scope is not None:
            if name in scope.bindings and not (scope.is_class and scope is not self):
                return scope
            scope = scope.parent
        return None

    def _owner(self, name: str) -> Scope:
        if name in self.global_names:
            return self._outermost()
        if name in self.nonlocal_names and self.parent is not None:
            return self.parent.resolve(name) or self.parent
        return self

    def _outermost(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


class Names(msgspec.Struct):
    """The names of a file."""

    scopes: list[Scope]
    uses: list[Use]


def read_names(tree: ast.Module) -> Names:
    """Return the scopes of a file and the names used in it."""
    reader = _Reader()
    reader.read_block(tree.body, Scope())
    return Names(reader.scopes, reader.uses)


class _Reader:
    """Walks through a file once. Each method `_Type` reads nodes of that type, others are walked through."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.uses: list[Use] = []

    def read_block(self, body: Iterable[ast.AST], scope: Scope) -> None:
        """Read the body of a scope: first what it declares, then the rest."""
        self.scopes.append(scope)
        nodes = list(body)
        for node in _within(nodes):
            if isinstance(node, ast.Global):
                scope.global_names.update(node.names)
            elif isinstance(node, ast.Nonlocal):
                scope.nonlocal_names.update(node.names)
        self.read_all(nodes, scope)

    def read_all(self, nodes: Iterable[ast.AST | None], scope: Scope) -> None:
        for node in nodes:
            if node is not None:
                self.read(node, scope)

    def read(self, node: ast.AST, scope: Scope) -> None:
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is not None:
            method(node, scope)
        else:
            # Matched patterns bind by plain texts, as do the parameters of types.
            for field in ("name", "rest"):
                if isinstance(bound := getattr(node, field, None), str):
                    scope.bind(bound)
            self.read_all(ast.iter_child_nodes(node), scope)

    def _Name(self, node: ast.Name, scope: Scope) -> None:
        self._use(node, [], scope)

    def _Attribute(self, node: ast.Attribute, scope: Scope) -> None:
        chain = [node]
        while isinstance(chain[-1].value, ast.Attribute):
            chain.append(chain[-1].value)
        base = chain[-1].value
        if isinstance(base, ast.Name):
            self._use(base, chain[::-1], scope)
        else:
            self.read(base, scope)

    def _use(self, node: ast.Name, attributes: list[ast.Attribute], scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            scope.bind(node.id, Other.PLACEHOLDER if isinstance(node.ctx, ast.Del) else Other.ANYTHING)
        self.uses.append(Use(scope, node, attributes))

    def _Assign(self, node: ast.Assign, scope: Scope) -> None:
        self.read(node.value, scope)
        is_placeholder = isinstance(node.value, ast.Constant) and node.value.value in (None, False)
        for target in node.targets:
            if is_placeholder and isinstance(target, ast.Name):
                scope.bind(target.id, Other.PLACEHOLDER)
                self.uses.append(Use(scope, target, []))
            else:
                self.read(target, scope)

    def _NamedExpr(self, node: ast.NamedExpr, scope: Scope) -> None:
        self.read(node.value, scope)
        while scope.is_comprehension and scope.parent is not None:
            scope = scope.parent
        self.read(node.target, scope)

    def _Import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            first, _, rest = alias.name.partition(".")
            is_ours = first == ROOT
            path = rest if alias.asname else ""
            scope.bind(alias.asname or first, Imported(path, alias) if is_ours else Other.ANYTHING)

    def _ImportFrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        first, _, rest = (node.module or "").partition(".")
        for alias in node.names:
            path = join(rest, alias.name)
            is_module = first == ROOT and not node.level and alias.name != "*" and kind_of(path) is Kind.MODULE
            scope.bind(alias.asname or alias.name, Imported(path, alias) if is_module else Other.ANYTHING)

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        scope.bind(node.name)
        self.read_all(node.decorator_list, scope)
        outer = self._type_parameters(node, scope)
        self._defaults(node.args, scope)
        self.read_all([*(argument.annotation for argument in _arguments(node.args)), node.returns], outer)
        self.read_block(node.body, _with_arguments(Scope(outer), node.args))

    _AsyncFunctionDef = _FunctionDef

    def _Lambda(self, node: ast.Lambda, scope: Scope) -> None:
        self._defaults(node.args, scope)
        self.read_block([node.body], _with_arguments(Scope(scope), node.args))

    def _ClassDef(self, node: ast.ClassDef, scope: Scope) -> None:
        scope.bind(node.name)
        self.read_all(node.decorator_list, scope)
        outer = self._type_parameters(node, scope)
        self.read_all([*node.bases, *node.keywords], outer)
        self.read_block(node.body, Scope(outer, is_class=True))

    def _TypeAlias(self, node: Any, scope: Scope) -> None:
        self.read(node.name, scope)
        self.read(node.value, self._type_parameters(node, scope))

    def _type_parameters(self, node: ast.AST, scope: Scope) -> Scope:
        """Return the scope that the parameters of a type make, where there are some."""
        parameters: list[ast.AST] = getattr(node, "type_params", [])
        if not parameters:
            return scope
        outer = Scope(scope)
        self.read_block(parameters, outer)
        return outer

    def _defaults(self, arguments: ast.arguments, scope: Scope) -> None:
        self.read_all([*arguments.defaults, *arguments.kw_defaults], scope)

    def _ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope) -> None:
        inner = Scope(scope, is_comprehension=True)
        self.scopes.append(inner)
        self.read(node.generators[0].iter, scope)
        for number, generator in enumerate(node.generators):
            self.read(generator.target, inner)
            self.read_all([generator.iter] if number else [], inner)
            self.read_all(generator.ifs, inner)
        self.read_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner)

    _SetComp = _GeneratorExp = _DictComp = _ListComp


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return [argument for argument in found if argument is not None]


def _with_arguments(scope: Scope, arguments: ast.arguments) -> Scope:
    for argument in _arguments(arguments):
        scope.bind(argument.arg)
    return scope


def _within(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of the scopes in it."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _within(ast.iter_child_nodes(node))
