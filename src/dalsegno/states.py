"""States of runs: the class, the constructors by name, and what is asked of states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dalsegno._engine.states import (
    State,
    StateDetails,
    StateGroup,
    exception_to_crashed_state,
    exception_to_failed_state,
    get_state_exception,
    is_state_iterable,
    raise_state_exception,
    return_value_to_state,
)
from dalsegno.model.states import StateType

__all__ = [
    "AwaitingConcurrencySlot",
    "AwaitingRetry",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "InfrastructurePending",
    "Late",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "State",
    "StateDetails",
    "StateGroup",
    "StateType",
    "Submitting",
    "Suspended",
    "exception_to_crashed_state",
    "exception_to_failed_state",
    "get_state_exception",
    "is_state_iterable",
    "raise_state_exception",
    "return_value_to_state",
]


def _state(type_: StateType, default_name: str | None = None, **options: Any) -> State[Any]:
    options.setdefault("name", default_name)
    return State(type_, **options)


def _scheduled(name: str | None, scheduled_time: datetime | None, options: dict[str, Any]) -> State[Any]:
    details: StateDetails = options.setdefault("state_details", StateDetails())
    details.scheduled_time = scheduled_time or details.scheduled_time or datetime.now(UTC)
    return _state(StateType.SCHEDULED, name, **options)


def Scheduled(scheduled_time: datetime | None = None, **options: Any) -> State[Any]:
    """To run at a time; now by default. `options`: name, message, data, state_details, timestamp."""
    return _scheduled(None, scheduled_time, options)


def Late(scheduled_time: datetime | None = None, **options: Any) -> State[Any]:
    """Scheduled, and past its time."""
    return _scheduled("Late", scheduled_time, options)


def AwaitingRetry(scheduled_time: datetime | None = None, **options: Any) -> State[Any]:
    """Failed, and to run again at a time."""
    return _scheduled("AwaitingRetry", scheduled_time, options)


def AwaitingConcurrencySlot(scheduled_time: datetime | None = None, **options: Any) -> State[Any]:
    """Waiting until a concurrency limit lets it run."""
    return _scheduled("AwaitingConcurrencySlot", scheduled_time, options)


def Pending(**options: Any) -> State[Any]:
    """About to run."""
    return _state(StateType.PENDING, **options)


def Submitting(**options: Any) -> State[Any]:
    """Being handed to its infrastructure."""
    return _state(StateType.PENDING, "Submitting", **options)


def InfrastructurePending(**options: Any) -> State[Any]:
    """Its infrastructure is being made."""
    return _state(StateType.PENDING, "InfrastructurePending", **options)


def Running(**options: Any) -> State[Any]:
    """Its body runs."""
    return _state(StateType.RUNNING, **options)


def Retrying(**options: Any) -> State[Any]:
    """Its body runs again after a failure."""
    return _state(StateType.RUNNING, "Retrying", **options)


def Completed(**options: Any) -> State[Any]:
    """Ended as it should.

    Example:
        >>> return Completed(message="Nothing to do today.")
    """
    return _state(StateType.COMPLETED, **options)


def Failed(**options: Any) -> State[Any]:
    """Ended by an error. Returned from a task or flow it makes that fail."""
    return _state(StateType.FAILED, **options)


def Crashed(**options: Any) -> State[Any]:
    """Ended because its process or machine was gone, or it was interrupted."""
    return _state(StateType.CRASHED, **options)


def Cancelling(**options: Any) -> State[Any]:
    """Told to stop."""
    return _state(StateType.CANCELLING, **options)


def Cancelled(**options: Any) -> State[Any]:
    """Ended because somebody wanted it to."""
    return _state(StateType.CANCELLED, **options)


def Paused(
    timeout_seconds: float | None = None,
    pause_expiration_time: datetime | None = None,
    reschedule: bool = False,
    pause_key: str | None = None,
    **options: Any,
) -> State[Any]:
    """Waiting for a person, until a time. Raises ValueError if both ways of giving the time are used."""
    if timeout_seconds is not None and pause_expiration_time is not None:
        raise ValueError("Give either timeout_seconds or pause_expiration_time, not both.")
    details: StateDetails = options.setdefault("state_details", StateDetails())
    if timeout_seconds is not None:
        pause_expiration_time = datetime.now(UTC) + timedelta(seconds=timeout_seconds)
    if pause_expiration_time is not None:
        details.pause_timeout = pause_expiration_time
    if pause_key is not None:
        details.pause_key = pause_key
    return _state(StateType.PAUSED, "Suspended" if reschedule else None, **options)


def Suspended(
    timeout_seconds: float | None = None,
    pause_expiration_time: datetime | None = None,
    pause_key: str | None = None,
    **options: Any,
) -> State[Any]:
    """Paused, with its process given back."""
    return Paused(timeout_seconds, pause_expiration_time, True, pause_key, **options)
