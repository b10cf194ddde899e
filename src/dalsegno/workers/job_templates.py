"""Job variables: whether they fit what their work pool says of them, and the job configuration that they fill in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dalsegno._code.templates import from_environment, is_outside, render
from dalsegno.exceptions import JobVariableError, TemplateError

_MOST_NAMED = 5


class _Absent:
    """A variable that has no value: what is nothing but its placeholder is left out, within a text it is nothing."""

    def __str__(self) -> str:
        return ""


_ABSENT = _Absent()


def job_configuration(template: Mapping[str, Any], variables: Mapping[str, Any], pool: str | None) -> dict[str, Any]:
    """Return what infrastructure is made of: the configuration of a pool's template, filled in with job variables.

    A pool without one leaves it to the variables alone. `{{ $NAME }}` and `{{ dalsegno.variables.name }}` stand for
    what they do in steps, on the worker's machine.

    Raises JobVariableError, which names the variables that do not fit, or TemplateError.

    Example:
        >>> job_configuration({"job_configuration": {"env": {"ZONE": "{{ zone }}"}}}, {"zone": "eu"}, "default")
        {'env': {'ZONE': 'eu'}}
    """
    schema: dict[str, Any] = template.get("variables") or {}
    properties: dict[str, Any] = schema.get("properties") or {}
    configuration: dict[str, Any] = template.get("job_configuration") or {}
    _check(schema, properties, variables, pool)
    defaults = {name: said["default"] for name, said in properties.items() if "default" in said}
    known = {**defaults, **variables}
    if not configuration:
        return known
    outside = from_environment()

    def look(expression: str) -> Any:
        if expression in known:
            return known[expression]
        if is_outside(expression):
            return outside(expression)
        if properties and expression not in properties:
            raise TemplateError(
                f"{{{{ {expression} }}}} in the job template of work pool {pool!r} cannot be filled in: the template "
                f"has no variable {expression!r}. It has {', '.join(map(repr, properties))}."
            )
        return _ABSENT

    return _without_absent(render(configuration, look))


def _check(
    schema: Mapping[str, Any], properties: Mapping[str, Any], variables: Mapping[str, Any], pool: str | None
) -> None:
    told = _misfits(schema, variables) if schema else []
    if properties and "additionalProperties" not in schema:
        told += [
            f"{name!r}: there is no such variable, there are {', '.join(map(repr, properties))}"
            for name in variables
            if name not in properties
        ]
    if told:
        raise JobVariableError(f"The job variables do not fit work pool {pool!r}: {'; '.join(told[:_MOST_NAMED])}.")


def _misfits(schema: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    from jsonschema import Draft202012Validator

    validator: Any = Draft202012Validator(schema)
    errors = validator.iter_errors(dict(variables))
    return [_told(error) for error in sorted(errors, key=lambda error: str(error.path))]


def _told(error: Any) -> str:
    """Say what is wrong without the value, which may be a secret."""
    place = ".".join(map(str, error.absolute_path))
    if not place:
        return error.message  # It names variables: one that is required, or of which there is none.
    return f"{place!r}: its {error.validator} must be {error.validator_value!r}"


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _without_absent(each) for key, each in items if each is not _ABSENT}
    if isinstance(value, list):
        return [_without_absent(each) for each in cast("list[Any]", value) if each is not _ABSENT]
    return value
