"""The kinds of values that all resources share: ids, times, JSON for people."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_id(id: bytes) -> uuid.UUID:
    """Return an id of the store as a UUID."""
    return uuid.UUID(bytes=id)


def to_optional_id(id: bytes | None) -> uuid.UUID | None:
    """Return an id of the store as a UUID."""
    return None if id is None else uuid.UUID(bytes=id)


def to_time(moment: int) -> datetime:
    """Return microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=moment)


def to_optional_time(moment: int | None) -> datetime | None:
    """Return microseconds since 1970 as a time."""
    return None if moment is None else to_time(moment)


def from_time(time: datetime) -> int:
    """Return a time as microseconds since 1970; one without a time zone is in UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) // _MICROSECOND


def from_optional_time(time: datetime | None) -> int | None:
    """Return a time as microseconds since 1970."""
    return None if time is None else from_time(time)


def etag_of(version: int) -> str:
    """Return the ETag of a version of a thing, which is the time of its last change."""
    return f'"{version:x}"'


def as_json(value: Any) -> Any:
    """Return a value as JSON can hold it: a number that is none as None, bytes as base64, odd keys as texts."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))


def read_json(text: str | None) -> Any:
    """Return what a JSON text holds, or the text itself if it is none."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
