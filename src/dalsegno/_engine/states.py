"""The State of a run as user code sees it: what it is, what it holds, and what asking for its result gives."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from dalsegno import exceptions
from dalsegno._engine.state_details import StateDetails, details_of
from dalsegno.model.ids import new_id
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES, TERMINAL_TYPES, StateRecord, StateType

R = TypeVar("R", covariant=True)


class Lazy:
    """A value that is loaded when it is first asked for."""

    __slots__ = ("_load",)

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def get(self) -> Any:
        return self._load()


class _Missing:
    def __repr__(self) -> str:
        return "<no data>"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


class State(Generic[R]):
    """Where a run stands: a `type`, a free `name`, a `message`, a `timestamp` and what it holds.

    Example:
        >>> state = my_flow(return_state=True)
        >>> state.is_completed(), state.result()
    """

    __slots__ = (
        "type",
        "name",
        "_message",
        "_recorded",
        "_time",
        "_data",
        "_details",
        "_id",
        "execution_id",
        "__weakref__",
    )

    def __init__(
        self,
        type: StateType,
        *,
        name: str | None = None,
        message: str | None = None,
        data: Any = None,
        state_details: StateDetails | None = None,
        timestamp: datetime | None = None,
    ) -> None:
        self.type = StateType(type)
        self.name = name if name is not None else DEFAULT_NAMES[self.type]
        self._message = message
        self._recorded: Callable[[], StateRecord | None] | None = None
        self._time = time.time_ns() // 1000 if timestamp is None else round(timestamp.timestamp() * 1_000_000)
        self._data = MISSING if data is None else data
        self._details = state_details
        self._id: bytes | None = None
        self.execution_id: bytes | None = None
        """Which execution of which run this is the state of; None for a state that user code made."""

    # --- what it is

    @property
    def message(self) -> str | None:
        if self._recorded is not None:
            self._load_recorded()
        return self._message

    @message.setter
    def message(self, message: str | None) -> None:
        if self._recorded is not None:
            self._load_recorded()
        self._message = message

    @property
    def id(self) -> uuid.UUID:
        if self._id is None:
            self._id = new_id()
        return uuid.UUID(bytes=self._id)

    @property
    def timestamp(self) -> datetime:
        if self._recorded is not None:
            self._load_recorded()
        return datetime.fromtimestamp(self._time / 1_000_000, UTC)

    @property
    def state_details(self) -> StateDetails:
        if self._recorded is not None:
            self._load_recorded()
        if self._details is None:
            self._details = StateDetails()
        return self._details

    @property
    def data(self) -> Any:
        """What the state holds: a value, an exception, or None."""
        if isinstance(self._data, Lazy):
            self._data = self._data.get()
        return None if self._data is MISSING else self._data

    @property
    def has_data(self) -> bool:
        return self._data is not MISSING

    def is_scheduled(self) -> bool:
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        return self.type is StateType.PAUSED

    def is_final(self) -> bool:
        return self.type in TERMINAL_TYPES

    def is_skipped(self) -> bool:
        """Completed without having run, because it was skipped."""
        return self.name == "Skipped" and self.type is StateType.COMPLETED

    # --- what it holds

    def result(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> R:
        """Return what the run gave, or raise what it failed with.

        In a coroutine it is to be awaited. With ``raise_on_failure=False`` the exception is returned.

        Raises:
            UnfinishedRun: the run has not ended.
            PausedRun: it is paused.
            MissingResult: it completed, but its result was not kept.
        """
        from dalsegno._engine.dispatch import in_async_context

        if in_async_context():
            return cast(Any, self.aresult(raise_on_failure, retry_result_failure))
        return state_result(self, raise_on_failure)

    async def aresult(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> R:
        """Return what `result` returns."""
        return state_result(self, raise_on_failure)

    def recall(self, read: Callable[[], StateRecord | None]) -> None:
        """Have what an earlier attempt recorded of this state read when it is first asked for (the engine says so)."""
        self._recorded = read

    def _load_recorded(self) -> None:
        read, self._recorded = self._recorded, None
        recorded = None if read is None else read()
        if recorded is not None:
            self._message, self._time = recorded.message, recorded.timestamp
            details = details_of(recorded.details)
            if details is not None:
                self._details = StateDetails(**{**details.__dict__, **self.state_details.__dict__})

    def fresh_copy(self, **changes: Any) -> State[R]:
        """Return a copy with an id and a time of its own."""
        copy: State[R] = State(
            changes.get("type", self.type),
            name=changes.get("name", self.name),
            message=changes.get("message", self.message),
            data=changes.get("data"),
            state_details=StateDetails(**self.state_details.__dict__),
            timestamp=changes.get("timestamp"),
        )
        if "data" not in changes:
            copy._data = self._data
        return copy

    def __str__(self) -> str:
        parts: list[str] = []
        if self.message:
            parts.append(repr(self.message))
        if self.name != DEFAULT_NAMES[self.type]:
            parts.append(f"type={self.type.value}")
        return f"{self.name}({', '.join(parts)})"

    def __repr__(self) -> str:
        return f"<State {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        data = self._data.get() if isinstance(self._data, Lazy) else self._data
        message = self.message
        details = None if self._details is None else dict(self._details.__dict__)
        return _restore, (
            self.type.value,
            self.name,
            message,
            self._time,
            data,
            details,
            self.id.bytes,
            self.execution_id,
        )


def _restore(
    type_: str,
    name: str,
    message: str | None,
    time_: int,
    data: Any,
    details: dict[str, Any] | None,
    id_: bytes,
    execution: bytes | None,
) -> State[Any]:
    state: State[Any] = State(StateType(type_), name=name, message=message)
    state._time, state._data, state._id, state.execution_id = time_, data, id_, execution  # pyright: ignore[reportPrivateUsage]
    state._details = None if details is None else StateDetails(**details)  # pyright: ignore[reportPrivateUsage]
    return state


def engine_state(
    code: int, time_: int, name: str | None, message: str | None, data: Any, details: StateDetails | None
) -> State[Any]:
    """Make a State from an entry of a run's history; `data` is MISSING where there is none (None is a value)."""
    state = cast("State[Any]", object.__new__(State))
    state.type = STATE_TYPES[code]
    state.name = name or DEFAULT_NAMES[state.type]
    state._message = message  # pyright: ignore[reportPrivateUsage]
    state._recorded = None  # pyright: ignore[reportPrivateUsage]
    state._time = time_  # pyright: ignore[reportPrivateUsage]
    state._data = data  # pyright: ignore[reportPrivateUsage]
    state._details = details  # pyright: ignore[reportPrivateUsage]
    state._id = None  # pyright: ignore[reportPrivateUsage]
    state.execution_id = None
    return state


def raw_data(state: State[Any]) -> Any:
    """Return what a state holds without loading it: MISSING, a Lazy, or the value."""
    return state._data  # pyright: ignore[reportPrivateUsage]


# --- results of states

_ERRORS: dict[StateType, tuple[type[exceptions.DalsegnoException], str]] = {
    StateType.FAILED: (exceptions.FailedRun, "Run failed."),
    StateType.CRASHED: (exceptions.CrashedRun, "Run crashed."),
    StateType.CANCELLED: (exceptions.CancelledRun, "Run cancelled."),
}


def state_result(state: State[Any], raise_on_failure: bool = True) -> Any:
    """Return what a state holds as a result; see `State.result`."""
    if state.type is StateType.PAUSED:
        if raise_on_failure:
            raise exceptions.PausedRun(state.message or "The run is paused: its result is not available.", state=state)
        return None
    if state.type not in TERMINAL_TYPES:
        raise exceptions.UnfinishedRun(f"Run is in {state.name} state, its results are not available.{_because(state)}")
    if state.type is StateType.COMPLETED:
        return _completed_result(state)
    if not raise_on_failure and state.has_data and not isinstance(state.data, (BaseException, str, State)):
        return state.data
    error = get_state_exception(state)
    if raise_on_failure:
        raise error
    return error


def _because(state: State[Any]) -> str:
    return f" {state.message}" if state.message else ""


def _completed_result(state: State[Any]) -> Any:
    if not state.has_data:
        if state.name == "Skipped":
            return None
        raise exceptions.MissingResult(
            "The run completed but its result is not there: it was not kept, or it is gone from its storage."
        )
    return state.data


def get_state_exception(state: State[Any]) -> BaseException:
    """Return the exception that a failed, crashed or cancelled state stands for.

    Raises TypeError if what it holds cannot be an error, ValueError if the state is no failure.
    """
    if state.type not in _ERRORS:
        raise ValueError(f"Expected a failed, crashed or cancelled state, got {state!r}.")
    wrapper, default = _ERRORS[state.type]
    data = state.data
    if isinstance(data, BaseException):
        return data
    if isinstance(data, str):
        return wrapper(data)
    if data is None:
        return wrapper(state.message or default)
    if isinstance(data, State):
        return get_state_exception(cast("State[Any]", data))
    if is_state_iterable(data):
        for inner in data:
            if inner.type in _ERRORS:
                return get_state_exception(inner)
        return wrapper(state.message or default)
    raise TypeError(
        f"Unexpected result for a failed state: {data!r} is a {type(data).__name__} and cannot be an error."
    )


def raise_state_exception(state: State[Any]) -> None:
    """Raise what a failed, crashed or cancelled state stands for; do nothing for other states."""
    if state.type in _ERRORS:
        raise get_state_exception(state)


def is_state_iterable(value: Any) -> bool:
    """Tell whether a value is a list, tuple or set of States and nothing else, and not empty."""
    return (
        type(value) in (list, tuple, set, frozenset) and bool(value) and all(isinstance(item, State) for item in value)
    )


class StateGroup:
    """Counts over several states."""

    def __init__(self, states: Iterable[State[Any]]) -> None:
        self.states = list(states)
        self.total_count = len(self.states)
        self.cancelled_count = sum(state.is_cancelled() for state in self.states)
        self.fail_count = sum(state.is_failed() or state.is_crashed() for state in self.states)
        self.paused_count = sum(state.is_paused() for state in self.states)
        self.not_final_count = sum(not state.is_final() for state in self.states)

    def all_completed(self) -> bool:
        return all(state.is_completed() for state in self.states)

    def any_cancelled(self) -> bool:
        return self.cancelled_count > 0

    def any_failed(self) -> bool:
        return self.fail_count > 0

    def any_paused(self) -> bool:
        return self.paused_count > 0

    def all_final(self) -> bool:
        return self.not_final_count == 0

    def counts_message(self) -> str:
        """Return for example ``"2/3 states failed."``."""
        parts = [f"total={self.total_count}"]
        if self.not_final_count:
            parts.append(f"not_final={self.not_final_count}")
        if self.fail_count:
            parts.append(f"failed={self.fail_count}")
        return ", ".join(parts)


def group_state(states: list[State[Any]], data: Any) -> State[Any]:
    """Decide a flow's final state from the states that it returned; `data` is what it returned."""
    group = StateGroup(states)
    count = group.total_count
    if group.any_cancelled():
        return State(StateType.CANCELLED, message=f"{group.cancelled_count}/{count} states cancelled.", data=data)
    if group.any_failed():
        return State(StateType.FAILED, message=f"{group.fail_count}/{count} states failed.", data=data)
    if not group.all_final():
        return State(StateType.FAILED, message=f"{group.not_final_count}/{count} states are not final.", data=data)
    return State(StateType.COMPLETED, message="All states completed.", data=data)


def exception_to_failed_state(error: BaseException, prefix: str = "") -> State[Any]:
    """Return the Failed state of a run that raised `error`."""
    return State(StateType.FAILED, message=f"{prefix}{type(error).__name__}: {error_text(error)}", data=error)


def error_text(error: BaseException) -> str:
    """Return the text of an error, also of one that cannot tell it."""
    try:
        return str(error)
    except Exception as problem:
        return f"(its text cannot be had: {type(problem).__name__})"


def exception_to_crashed_state(error: BaseException) -> State[Any]:
    """Return the Crashed state of a run that was interrupted by `error`."""
    return State(StateType.CRASHED, message=crash_message(error), data=error)


def crash_message(error: BaseException) -> str:
    """Say what interrupted a run."""
    if isinstance(error, KeyboardInterrupt):
        return "Execution was aborted by an interrupt signal."
    if isinstance(error, SystemExit):
        return "Execution was aborted by Python system exit call."
    if isinstance(error, exceptions.TerminationSignal):
        return f"Execution was aborted by signal {error.signal}."
    if type(error).__name__ == "CancelledError":
        return "Execution was cancelled by the runtime environment."
    return f"Execution was interrupted by an unexpected exception: {type(error).__name__}: {error_text(error)}"


def return_value_to_state(value: Any) -> State[Any]:
    """Return the final state that a body's return value makes, where it holds no futures any more."""
    if isinstance(value, State):
        state = cast("State[Any]", value)
        return state if state.execution_id is None else group_state([state], state)
    if is_state_iterable(value):
        return group_state(list(value), value)
    state: State[Any] = State(StateType.COMPLETED)
    state._data = value  # pyright: ignore[reportPrivateUsage]
    return state
