"""What is told of a run's result: the value itself where it is plain and small, else what it is and where."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import as_json
from dalsegno.model.results import unpack_stored


class Result(msgspec.Struct, kw_only=True):
    """The result of a run. Pickles are never opened by the server: of those it tells size and place."""

    is_value: Annotated[bool, Meta(description="Whether `value` holds it.")]
    value: Annotated[Any, Meta(description="The result, as JSON.")] = None
    serializer: Annotated[str | None, Meta(description="How it was turned into bytes, where it is no `value`.")] = None
    size: Annotated[int | None, Meta(description="Bytes, as serialized, where it is no `value`.")] = None
    url: Annotated[str | None, Meta(description="The file that holds it, where one does.")] = None
    media_type: Annotated[str | None, Meta(description="The type of the bytes, where that is known.")] = None


def to_result(packed: bytes | None) -> Result | None:
    """Return a packed result as the API shows it."""
    if packed is None:
        return None
    stored = unpack_stored(packed)
    if stored is None:
        return Result(is_value=True, value=_plain(packed[1:]))
    return Result(
        is_value=False,
        serializer=stored.serializer,
        size=stored.size,
        url=stored.url,
        media_type=stored.media_type,
    )


def _plain(payload: bytes) -> Any:
    return as_json(_with_text_keys(msgspec.msgpack.decode(payload, strict=False)))


def _with_text_keys(value: Any) -> Any:
    """Return a value whose keys are texts, which those of a plain dict need not be."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_text_keys(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [_with_text_keys(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
