"""The state of a run, and a place in its history."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import as_json, to_time
from dalsegno.model.states import StateRecord, StateType


class State(msgspec.Struct, kw_only=True):
    """A state that a run is in, or was in."""

    type: Annotated[StateType, Meta(description="What kind of state it is; decides what may follow.")]
    name: Annotated[str, Meta(description="Its name, such as `TimedOut`; without a name of its own that of its type.")]
    timestamp: Annotated[datetime, Meta(description="When the run came into it.")]
    message: Annotated[str | None, Meta(description="Why, in words.")] = None
    details: Annotated[dict[str, Any] | None, Meta(description="What else is known of it.")] = None
    attempt: Annotated[int, Meta(description="The attempt of the root flow run that it belongs to, from 1.")] = 1


def to_state(record: StateRecord) -> State:
    """Return a state of the store as the API shows it."""
    return State(
        type=record.type,
        name=record.name,
        timestamp=to_time(record.timestamp),
        message=record.message,
        details=None if record.details is None else as_json(record.details),
        attempt=record.attempt,
    )
