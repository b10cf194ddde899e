"""What belongs to a state beside its type and its message, and how that stands in a run's history."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

_MOMENTS = frozenset({"scheduled_time", "cache_expiration", "pause_timeout"})
_OF_THE_RUN = frozenset({"flow_run_id", "task_run_id"})


class StateDetails:
    """What belongs to a state beside its type: which runs it is of, and when something is to happen."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    flow_run_id: uuid.UUID | None = None
    task_run_id: uuid.UUID | None = None
    child_flow_run_id: uuid.UUID | None = None
    scheduled_time: datetime | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None
    pause_timeout: datetime | None = None
    pause_key: str | None = None
    pause_reschedule: bool | None = None
    retriable: bool | None = None
    upstream_run_id: uuid.UUID | None = None

    def __repr__(self) -> str:
        return f"StateDetails({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"


def details_of(recorded: dict[str, Any] | None) -> StateDetails | None:
    """Return the details of a history entry, in which moments are microseconds."""
    if not recorded:
        return None
    return StateDetails(**{name: _loaded(name, value) for name, value in recorded.items()})


def recorded_details(details: StateDetails | None) -> dict[str, Any] | None:
    """Return details for a history entry; which run they are of is known there."""
    if details is None:
        return None
    given = {
        name: _plain(value) for name, value in details.__dict__.items() if value is not None and name not in _OF_THE_RUN
    }
    return given or None


def _loaded(name: str, value: Any) -> Any:
    if name in _MOMENTS and isinstance(value, int):
        return datetime.fromtimestamp(value / 1_000_000, UTC)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1_000_000)
    return value if isinstance(value, (str, int, float, bool)) else str(value)
