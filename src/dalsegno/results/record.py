"""What a result store holds under a key: a value, and what is known of how it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class ResultRecordMetadata:
    """How a record was kept."""

    storage_key: str
    expiration: datetime | None
    """With time zone (UTC); None: never."""
    serializer: str
    """Name of the serializer: ``"msgpack"`` for plain values, ``"pickle"`` ..."""


@dataclass(frozen=True)
class ResultRecord(Generic[R]):
    """A value from a result store.

    Example:
        >>> store.read("nightly-2026-01-31").result
        42
    """

    result: R
    metadata: ResultRecordMetadata

    @property
    def expiration(self) -> datetime | None:
        """When the record ends; None: never."""
        return self.metadata.expiration
