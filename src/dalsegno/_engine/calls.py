"""How a function is called: from arguments to named parameters and back, worked out once per function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

from dalsegno.exceptions import ParameterBindError, ReservedArgumentError

RESERVED: Final = ("return_state", "wait_for")

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class _NotGiven:
    """The type of `NOT_GIVEN`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()

_UNKNOWN_SIGNATURE = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


class CallPlan:
    """What is known of a function's parameters; made by `compile_call`."""

    __slots__ = (
        "_all_in_order",
        "_bind",
        "_bind_given",
        "_keyword_only",
        "_positional",
        "name",
        "names",
        "parameter_types",
        "signature",
        "var_keyword",
        "var_positional",
    )

    name: str
    """The function's qualified name, for messages."""
    names: tuple[str, ...]
    """All parameters, in the order of the signature."""
    signature: inspect.Signature
    parameter_types: Any
    """What `parameters` has worked out of the annotations; None before it is asked."""
    var_positional: str | None
    """The name of ``*args``, if there is one."""
    var_keyword: str | None
    """The name of ``**kwargs``, if there is one."""

    def __init__(self, name: str, signature: inspect.Signature) -> None:
        parameters = signature.parameters.values()
        self.name = name
        self.names = tuple(signature.parameters)
        self.signature = signature
        self.parameter_types = None
        self.var_positional = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.var_keyword = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self._positional = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        self._keyword_only = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        only_positional = len(self._positional) == len(self.names)
        self._all_in_order = _take_all(self._positional) if only_positional else None
        self._bind = _binder(name, signature)
        self._bind_given: Callable[..., dict[str, Any]] | None = None

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of each parameter by name, defaults included, in the order of the signature.

        What ``*args`` takes stands as a tuple under its name, what ``**kwargs`` takes as a dict.

        Raises:
            ParameterBindError: The arguments do not fit; the text is Python's own.
        """
        try:
            return self._bind(*args, **kwargs)
        except TypeError as error:
            raise ParameterBindError(*error.args) from None

    def bind_given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Like `bind`, but without the parameters that are left to their defaults."""
        if self._bind_given is None:
            self._bind_given = _binder(self.name, _with_default(self.signature, NOT_GIVEN))
        try:
            bound = self._bind_given(*args, **kwargs)
        except TypeError as error:
            raise ParameterBindError(*error.args) from None
        empty = (self.var_positional, self.var_keyword)
        return {name: value for name, value in bound.items() if value is not NOT_GIVEN and (value or name not in empty)}

    def with_defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `bind` would have given where `bind_given` gave `given`."""
        return self.bind(*self.arguments(given))

    def arguments(self, parameters: Mapping[str, Any]) -> Arguments:
        """Return the arguments that give a call these parameters: the inverse of `bind`.

        Parameters that are missing from the mapping are left to their defaults.
        """
        if self._all_in_order is not None:
            try:
                return self._all_in_order(parameters), {}
            except KeyError:
                pass
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        left_out = False
        for name in self._positional:
            if name not in parameters:
                left_out = True
            elif left_out:
                kwargs[name] = parameters[name]
            else:
                args.append(parameters[name])
        if self.var_positional is not None:
            args.extend(parameters.get(self.var_positional, ()))
        for name in self._keyword_only:
            if name in parameters:
                kwargs[name] = parameters[name]
        if self.var_keyword is not None:
            kwargs.update(parameters.get(self.var_keyword, {}))
        return tuple(args), kwargs

    def __repr__(self) -> str:
        return f"<CallPlan {self.name}{self.signature}>"


def compile_call(fn: Callable[..., Any], reserved: tuple[str, ...] = RESERVED) -> CallPlan:
    """Read the signature of a function, once, when it is decorated.

    A callable that does not tell its signature (some builtins) takes whatever it is given, as ``args`` and
    ``kwargs``.

    Raises:
        ReservedArgumentError: The function has a parameter whose name is reserved for the call itself.

    Example:
        >>> plan = compile_call(lambda day, *, limit=10: None)
        >>> plan.bind(("2026-01-31",), {})
        {'day': '2026-01-31', 'limit': 10}
    """
    name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    try:
        signature = inspect.signature(fn)
    except ValueError:
        signature = _UNKNOWN_SIGNATURE
    for parameter in reserved:
        if parameter in signature.parameters:
            raise ReservedArgumentError(
                f"{name!r} has a parameter called {parameter!r}, which is reserved: it is an argument of "
                f"every call of a flow or task. Give the parameter another name."
            )
    return CallPlan(name, signature)


def _binder(name: str, signature: inspect.Signature) -> Callable[..., dict[str, Any]]:
    """Make a function that has this signature and returns its own parameters.

    The interpreter then binds at its own speed and with its own error messages; `inspect.Signature.bind`
    takes some twenty times as long.
    """
    parameters = list(signature.parameters.values())
    body = ", ".join(f"{p.name!r}: {p.name}" for p in parameters)
    source = f"def binder({_declaration(parameters)}): return {{{body}}}"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    binder = namespace["binder"]
    binder.__qualname__ = name
    defaults = [p.default for p in parameters if p.default is not p.empty and p.kind is not p.KEYWORD_ONLY]
    binder.__defaults__ = tuple(defaults) or None
    binder.__kwdefaults__ = {
        p.name: p.default for p in parameters if p.default is not p.empty and p.kind is p.KEYWORD_ONLY
    } or None
    return binder


def _declaration(parameters: list[inspect.Parameter]) -> str:
    """Return the text between the parentheses of a `def`; defaults are only marked, not written."""
    texts: list[str] = []
    for previous, parameter in zip([None, *parameters], parameters, strict=False):
        if previous and previous.kind is previous.POSITIONAL_ONLY and parameter.kind is not previous.kind:
            texts.append("/")
        after_star = previous and previous.kind in (previous.VAR_POSITIONAL, previous.KEYWORD_ONLY)
        if parameter.kind is parameter.KEYWORD_ONLY and not after_star:
            texts.append("*")
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        texts.append(stars + parameter.name + ("" if parameter.default is parameter.empty else "=None"))
    if parameters and parameters[-1].kind is parameters[-1].POSITIONAL_ONLY:
        texts.append("/")
    return ", ".join(texts)


def _take_all(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that gives the values of these names as a tuple; a KeyError where one is missing."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] for name in names)


def _with_default(signature: inspect.Signature, default: Any) -> inspect.Signature:
    changed = [p if p.default is p.empty else p.replace(default=default) for p in signature.parameters.values()]
    return signature.replace(parameters=changed)
