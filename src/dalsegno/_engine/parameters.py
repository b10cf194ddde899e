"""Parameters of flows: validated and coerced by their annotations, and described for people and forms.

Pydantic does it, and is loaded only when a value is not of exactly the type that its annotation names.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from dalsegno._engine.annotated import local_names, resolve_annotations
from dalsegno._engine.calls import CallPlan
from dalsegno._engine.parameter_texts import parameters_text, serialize_parameters
from dalsegno.exceptions import ParameterTypeError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_COPIED: Final[dict[type, Callable[[Any], Any]]] = {list: list, dict: dict, set: set}
"""Types whose values pydantic copies also where there is nothing to coerce."""


class ParameterTypes:
    """The annotations of one function, ready to check calls; made when it is decorated, compiled on first
    use.
    """

    __slots__ = ("_exact", "_fn", "_model", "_names", "_plan", "_types")

    _names: Mapping[str, Any]

    def __init__(self, fn: Callable[..., Any], plan: CallPlan) -> None:
        self._fn = fn
        self._plan = plan
        self._names = local_names(fn)
        self._types: dict[str, Any] | None = None
        self._exact: dict[str, frozenset[type]] = {}
        self._model: type[BaseModel] | None = None

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters coerced to their annotated types.

        A default that does not have its parameter's type (``x: int = None``) is handed on as it is.

        Raises:
            ParameterTypeError: Some do not fit; the text has a line for each.

        Example:
            >>> def nightly(day: int): ...
            >>> ParameterTypes(nightly, compile_call(nightly)).validate({"day": "31"})
            {'day': 31}
        """
        annotated = self._annotated()
        if not annotated:
            return dict(parameters)
        copied = _exact_matches(parameters, annotated, self._exact)
        if copied is not None:
            return copied
        return self._coerced(parameters)

    def schema(self) -> dict[str, Any]:
        """Return a JSON schema of all parameters; each property has its `position` in the signature."""
        from dalsegno._engine import parameter_models

        return parameter_models.schema(self._plan, self._annotated())

    def prepare(self) -> None:
        """Do now what the first call would do."""
        annotated = self._annotated()
        if not all(self._exact.values()):
            self._made(annotated)

    def _made(self, annotated: dict[str, Any]) -> Any:
        from dalsegno._engine import parameter_models

        if self._model is None:
            self._model = parameter_models.model(self._plan, annotated)
        return self._model

    def _annotated(self) -> dict[str, Any]:
        if self._types is None:
            annotated = resolve_annotations(self._fn, self._plan, self._names)
            self._names = {}
            for name, annotation in annotated.items():
                accepted = _exact_types(annotation)
                if accepted and self._plan.signature.parameters[name].default is None:
                    accepted |= {type(None)}
                self._exact[name] = accepted
            self._types = annotated
        return self._types

    def _coerced(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        from pydantic import ValidationError

        from dalsegno._engine import parameter_models

        model = self._made(self._annotated())
        try:
            return parameter_models.coerce(model, self._plan, parameters)
        except ValidationError as error:
            raise ParameterTypeError(_message(error, self._plan)) from None


def validate(
    plan: CallPlan, fn: Callable[..., Any], parameters: Mapping[str, Any], types: ParameterTypes | None = None
) -> dict[str, Any]:
    """Return parameters coerced by the function's annotations; see `ParameterTypes.validate`."""
    return (types or _types_of(fn, plan)).validate(parameters)


def prepare(plan: CallPlan, fn: Callable[..., Any]) -> None:
    """Do now what the first validation of a function's parameters would do."""
    _types_of(fn, plan).prepare()


def parameter_schema(fn: Callable[..., Any], plan: CallPlan) -> dict[str, Any]:
    """Return a JSON schema of a function's parameters; see `ParameterTypes.schema`."""
    return _types_of(fn, plan).schema()


def _types_of(fn: Callable[..., Any], plan: CallPlan) -> ParameterTypes:
    if plan.parameter_types is None:
        plan.parameter_types = ParameterTypes(fn, plan)
    return plan.parameter_types


def _exact_types(annotation: Any) -> frozenset[type]:
    """Return types of which a value fits an annotation as it is; empty where only pydantic can tell."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [_exact_types(member) for member in typing.get_args(annotation)]
        return frozenset(class_ for member in members for class_ in member) if all(members) else frozenset()
    if not isinstance(annotation, type) or typing.get_origin(annotation) is not None:
        return frozenset()
    class_ = cast("type[Any]", annotation)
    # Tuples may be named ones with types of their own; other hooks are pydantic's.
    if issubclass(class_, tuple) or hasattr(class_, "__get_pydantic_core_schema__"):
        return frozenset()
    return frozenset({class_})


def _fits(value: Any, annotation: Any) -> bool:
    """Tell whether a list or dict holds exactly the plain types that its annotation names."""
    class_ = typing.get_origin(annotation)
    if class_ not in (list, dict) or type(value) is not class_:
        return False
    parts: list[Iterable[Any]] = [value] if class_ is list else [value, cast("Any", value).values()]
    allowed = [_exact_types(member) for member in typing.get_args(annotation)]
    return len(parts) == len(allowed) and all(
        types_ and types_.isdisjoint(_COPIED) and types_.issuperset(map(type, part))
        for part, types_ in zip(parts, allowed, strict=True)
    )


def _exact_matches(
    parameters: Mapping[str, Any], annotated: Mapping[str, Any], exact: Mapping[str, frozenset[type]]
) -> dict[str, Any] | None:
    """Return the parameters if each has exactly an annotated type, else None."""
    for name in annotated:
        if name not in parameters or type(parameters[name]) in exact[name]:
            continue
        if not _fits(parameters[name], annotated[name]):
            return None
    copied = dict(parameters)
    for name in annotated:
        copy = _COPIED.get(cast("type[Any]", type(copied.get(name))))
        if copy is not None:
            copied[name] = copy(copied[name])
    return copied


def _message(error: ValidationError, plan: CallPlan) -> str:
    from dalsegno._engine.parameter_models import place

    lines = [f" - {place(plan, detail['loc'])}: {detail['msg']}" for detail in error.errors()]
    return "\n".join(["Flow run received invalid parameters:", *lines])


__all__ = ["ParameterTypes", "parameter_schema", "parameters_text", "serialize_parameters", "validate"]
