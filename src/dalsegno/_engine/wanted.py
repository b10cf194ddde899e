"""What a run asks people for: a type of the user's, as a model that reads their answer and as a schema for a form."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from pydantic import BaseModel

AUTOMATIC = "value"
"""The field under which an input stands that is no model."""


class Wanted:
    """What is wanted, by a type: a pydantic model, or any other that pydantic knows."""

    def __init__(self, kind: Any) -> None:
        import pydantic

        fields: dict[str, Any] = {AUTOMATIC: (kind, ...)}
        self.is_model = isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
        made = cast("type[BaseModel]", kind if self.is_model else pydantic.create_model(name_of(kind), **fields))
        self.model = made
        self.description: str | None = getattr(made, "input_description", None)

    @property
    def schema(self) -> str:
        """The JSON schema of what is wanted."""
        return msgspec.json.encode(self.model.model_json_schema()).decode()

    def check(self, answer: str | None) -> str | None:
        """Say what is wrong with an answer; None: nothing."""
        from pydantic import ValidationError

        try:
            self.model.model_validate_json(answer or "{}")
        except ValidationError as error:
            places = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
            return "; ".join(f"{where or 'the input'}: {what}" for where, what in places)
        return None

    def read(self, answer: str | None) -> Any:
        """Return an answer as the type that was wanted. Raises pydantic's ValidationError."""
        made = self.model.model_validate_json(answer or "{}")
        return made if self.is_model else getattr(made, AUTOMATIC)


def name_of(kind: Any) -> str:
    """Return the name under which inputs of a type are sent and received."""
    origin = typing.get_origin(kind) or kind
    return getattr(origin, "input_name", None) or getattr(origin, "__name__", None) or str(kind)


def as_json(value: Any) -> str:
    """Return an input as JSON: a model or a dict as they are, anything else as the field of one value."""
    dump: Callable[[], str] | None = getattr(value, "model_dump_json", None)
    if dump is not None:
        return dump()
    return msgspec.json.encode(value if isinstance(value, dict) else {AUTOMATIC: value}).decode()


def automatic_json(value: Any) -> str:
    """Return an input that is sent as JSON: a model as it is, anything else, dicts too, as the field of one value."""
    dump: Callable[[], str] | None = getattr(value, "model_dump_json", None)
    return msgspec.json.encode({AUTOMATIC: value}).decode() if dump is None else dump()
