"""Pydantic models of functions' parameters. Whoever imports this imports pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from dalsegno._engine.calls import CallPlan

# Fields are called p0, p1, ... by position: a parameter may be called `copy` or `json`, or `_x`.
_PREFIX = "p"


def model(plan: CallPlan, annotated: Mapping[str, Any]) -> type[BaseModel]:
    """Make the model that coerces a function's annotated parameters."""
    fields: dict[str, Any] = {}
    for position, (name, parameter) in enumerate(plan.signature.parameters.items()):
        if name in annotated:
            own = parameter.default if isinstance(parameter.default, FieldInfo) else None
            fields[f"{_PREFIX}{position}"] = (annotated[name], own)
    return _model(fields)


def coerce(model: type[BaseModel], plan: CallPlan, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as the model makes them; those without a field as they are.

    Raises:
        ValidationError: A value does not fit, and is not its parameter's own default.
    """
    given = {
        f"{_PREFIX}{position}": parameters[name]
        for position, name in enumerate(plan.names)
        if name in parameters and not isinstance(parameters[name], FieldInfo)
    }
    try:
        made = model.model_validate(given)
    except ValidationError as error:
        refused = {str(detail["loc"][0]) for detail in error.errors()}
        if not all(name in given and _is_default(plan, name, given[name]) for name in refused):
            raise
        given = {name: value for name, value in given.items() if name not in refused}
        made = model.model_validate(given)
    coerced = dict(parameters)
    for position, name in enumerate(plan.names):
        field = f"{_PREFIX}{position}"
        left_to_field = name in parameters and isinstance(parameters[name], FieldInfo)
        if field in model.model_fields and (field in given or left_to_field):
            coerced[name] = getattr(made, field)
    return coerced


def place(plan: CallPlan, location: tuple[int | str, ...]) -> str:
    """Return where an error is, in the words of the function: ``"orders.0.id"``."""
    return ".".join([_name(plan, str(location[0])), *map(str, location[1:])])


def schema(plan: CallPlan, annotated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a function's parameters, annotated or not."""
    fields: dict[str, Any] = {}
    for position, (name, parameter) in enumerate(plan.signature.parameters.items()):
        type_: Any = Any
        default = ... if parameter.default is parameter.empty else parameter.default
        if parameter.kind is parameter.VAR_POSITIONAL:
            type_, default = list[Any], []
        elif parameter.kind is parameter.VAR_KEYWORD:
            type_, default = dict[str, Any], {}
        fields[f"{_PREFIX}{position}"] = (annotated.get(name, type_), default)
    found = _model(fields).model_json_schema(schema_generator=_Schema)
    properties = found.get("properties", {})
    return {
        **found,
        "title": "Parameters",
        "type": "object",
        "properties": {
            _name(plan, field): _described(plan, field, described) for field, described in properties.items()
        },
        "required": [_name(plan, field) for field in found.get("required", [])],
    }


class _Schema(GenerateJsonSchema):
    """Says nothing of what JSON cannot describe, where pydantic would refuse."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}


def _model(fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        loc_by_alias=False,
    )
    try:
        return _created(config, fields)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError):
        return _created(config, {name: field for name, field in fields.items() if _is_type(config, field)})


def _created(config: ConfigDict, fields: dict[str, Any]) -> type[BaseModel]:
    return pydantic.create_model("Parameters", __config__=config, **fields)


def _is_type(config: ConfigDict, field: Any) -> bool:
    try:
        _created(config, {"p0": field})
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError):
        return False
    return True


def _described(plan: CallPlan, field: str, described: dict[str, Any]) -> dict[str, Any]:
    titled = {"title": _name(plan, field)} if described.get("title") == field.upper() else {}
    return {**described, **titled, "position": int(field.removeprefix(_PREFIX))}


def _name(plan: CallPlan, field: str) -> str:
    return plan.names[int(field.removeprefix(_PREFIX))]


def _is_default(plan: CallPlan, field: str, value: Any) -> bool:
    return value is plan.signature.parameters[_name(plan, field)].default
