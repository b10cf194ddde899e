"""The live records of task runs and flow runs: what hooks and user code see, and what the journal writes down."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from dalsegno._engine.clock import now
from dalsegno._engine.state_details import details_of, recorded_details
from dalsegno._engine.states import MISSING, State, engine_state
from dalsegno.exceptions import RunCancelled
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.records import (
    EntryPoint,
    FlowDefinition,
    FlowRunSnapshot,
    TaskDefinition,
    TaskRunSnapshot,
    default_task_run_name,
    pack_extra,
    pack_upstream,
)
from dalsegno.model.states import (
    DEFAULT_NAMES,
    FIRST_TERMINAL_CODE,
    STATE_CODES,
    STATE_TYPES,
    StateRecord,
    StateType,
    pack_states,
)

if TYPE_CHECKING:
    from dalsegno._engine.session import Session

PENDING = STATE_CODES[StateType.PENDING]
RUNNING = STATE_CODES[StateType.RUNNING]
SCHEDULED = STATE_CODES[StateType.SCHEDULED]
PAUSED = STATE_CODES[StateType.PAUSED]
COMPLETED = STATE_CODES[StateType.COMPLETED]
FAILED = STATE_CODES[StateType.FAILED]
CRASHED = STATE_CODES[StateType.CRASHED]
CANCELLED = STATE_CODES[StateType.CANCELLED]

Entry = tuple[Any, ...]
"""An entry of a history: (code, timestamp[, name, message, details]); the timestamp in microseconds."""


class Run:
    """What a task run and a flow run have in common: an id, a history of states, and the data of the last one.

    Invariant: whatever a state refers to (result, start time) is set before the state is appended, so that the
    journal's thread, which reads a run while the engine changes it, never sees a state without it.
    """

    id_bytes: bytes
    session: Session
    name: str
    dirty: bool = False
    run_count: int = 0
    first_position: int = 0
    """Positions of states go on from here: a run that an earlier attempt left has states already."""
    start_time_us: int | None = None
    end_time_us: int | None = None
    result: bytes | None = None
    """The packed result."""
    value: Any = MISSING
    """The data of the last state."""
    refused: bool = False
    """Its body was abandoned: nothing more of it is recorded."""
    told_to_stop: bool = False
    """It alone was cancelled, by its runner."""
    extra: dict[str, Any] | None = None
    recorded_state: tuple[int, Callable[[], StateRecord | None]] | None = None
    """Which state of the history an earlier attempt recorded, and how it is read."""
    _sent: int = 0
    _state: State[Any] | None = None
    _state_at: int = -1

    def __init__(self, id_: bytes, session: Session) -> None:
        self.id_bytes = id_
        self.session = session
        self.history: list[Entry] = []

    # --- as user code sees it

    @property
    def id(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.id_bytes)

    @property
    def state(self) -> State[Any]:
        """The state that it is in now."""
        last = len(self.history) - 1
        if self._state is None or self._state_at != last:
            self._state, self._state_at = self._build_state(last), last
        return self._state

    @property
    def state_type(self) -> StateType:
        return STATE_TYPES[self.history[-1][0]]

    @property
    def state_name(self) -> str:
        return self.state.name

    @property
    def states(self) -> list[State[Any]]:
        """All states of this attempt, in order."""
        return [self._build_state(index) for index in range(len(self.history))]

    @property
    def start_time(self) -> datetime | None:
        return _moment(self.start_time_us)

    @property
    def end_time(self) -> datetime | None:
        return _moment(self.end_time_us)

    @property
    def created(self) -> datetime:
        return _moment(id_time(self.id_bytes))  # pyright: ignore[reportReturnType]

    @property
    def total_run_time(self) -> timedelta:
        if self.start_time_us is None:
            return timedelta(0)
        return timedelta(microseconds=(self.end_time_us or now()) - self.start_time_us)

    # --- as the engine sees it

    @property
    def writer(self) -> Session:
        return self.session

    @property
    def ended(self) -> bool:
        return self.history[-1][0] >= FIRST_TERMINAL_CODE

    @property
    def cancelled(self) -> bool:
        """Whether what breaks its body off is that it was cancelled."""
        return self.told_to_stop or self.session.stop is RunCancelled

    @property
    def execution_id(self) -> bytes:
        """New each time its body really runs."""
        return self.id_bytes + self.run_count.to_bytes(4, "big")

    def set_state(self, state: State[Any], data: Any) -> None:
        """Append a state that exists as an object (it came from user code or a handler)."""
        self._state, self._state_at = state, len(self.history)
        self.value = data
        code = STATE_CODES[state.type]
        stamp = round(state.timestamp.timestamp() * 1_000_000)
        self._annotate(state)
        if code >= FIRST_TERMINAL_CODE:
            self.end_time_us = stamp
        name = None if state.name == DEFAULT_NAMES[state.type] else state.name
        self.history.append((code, stamp, name, state.message, recorded_details(state.state_details)))
        self.touch()

    def all_sent(self) -> None:
        """Know that the states that it has are recorded already."""
        self._sent = len(self.history)

    def note(self, name: str, value: Any) -> None:
        """Add something rare to the record."""
        self.extra = {**(self.extra or {}), name: value}

    @abstractmethod
    def touch(self) -> None:
        """Have the journal write the run down."""

    @abstractmethod
    def _annotate(self, state: State[Any]) -> None:
        """Add to a state which run it is of."""

    def _build_state(self, index: int) -> State[Any]:
        code, stamp, name, message, details = full_entry(self.history[index])
        data = self.value if index == len(self.history) - 1 else MISSING
        state = engine_state(code, stamp, name, message, data, details_of(details))
        self._annotate(state)
        if self.recorded_state is not None and self.recorded_state[0] == index:
            state.recall(self.recorded_state[1])
        return state

    def _take_states(self, count: int) -> bytes:
        """Pack the states that the journal has not sent yet, of the first `count`."""
        sent = self._sent
        self._sent = count
        if sent == count:
            return b""
        return pack_states(
            self.session.attempt, self.first_position + sent, id_time(self.id_bytes), self.history[sent:count]
        )


class TaskRun(Run):
    """A run of a task."""

    upstream: list[tuple[str, bytes]] | None = None
    fingerprint: bytes | None = None
    sought: tuple[bytes | None, ...] = ()
    """The fingerprints under which earlier runs recorded the call: of this run, and of those that it started from."""
    custom_name: str | None = None
    child_flow_run_id: bytes | None = None
    completed_before: int = 0
    """The run count at which the call had completed, where it is run again all the same; else 0."""
    parameters: dict[str, Any] = {}
    run_tags: frozenset[str] = frozenset()

    def __init__(
        self,
        id_: bytes,
        session: Session,
        definition: TaskDefinition,
        flow_run_id: bytes | None,
        parent: bytes | None,
    ) -> None:
        self.id_bytes = id_
        self.session = session
        self.history = []
        self.definition = definition
        self.flow_run_id_bytes = flow_run_id
        self.parent_task_run_id_bytes = parent

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.custom_name or default_task_run_name(self.definition.name, self.id_bytes)

    @property
    def task_name(self) -> str:
        return self.definition.name

    @property
    def task_key(self) -> str:
        return self.definition.key

    @property
    def flow_run_id(self) -> uuid.UUID | None:
        return None if self.flow_run_id_bytes is None else uuid.UUID(bytes=self.flow_run_id_bytes)

    @property
    def tags(self) -> list[str]:
        return sorted(self.run_tags.union(self.definition.tags))

    @property
    def idempotency_key(self) -> str:
        """The same however often the body runs again because it failed or was cut off; another one when a call that
        had completed is deliberately run again.
        """
        return f"{id_text(self.id_bytes)}-{self.completed_before}"

    def __repr__(self) -> str:
        return f"<TaskRun {self.name!r} {self.state_name}>"

    def touch(self) -> None:
        if not self.refused and not self.dirty:
            self.session.journal.touch(self)

    def snapshot(self, version: int) -> TaskRunSnapshot:
        history = self.history
        count = len(history)
        last = history[count - 1]
        return TaskRunSnapshot(
            self.id_bytes,
            self.session.root_run_id,
            self.flow_run_id_bytes,
            self.parent_task_run_id_bytes,
            self.definition.id,
            self.session.attempt,
            version,
            self.run_count,
            self.custom_name,
            self.fingerprint,
            last[0],
            last[2] if len(last) > 2 else None,
            self._take_states(count),
            self.start_time_us,
            self.end_time_us,
            self.result,
            pack_upstream(self.upstream) if self.upstream else None,
            self.child_flow_run_id,
            None if self.extra is None and not self.run_tags else self._pack_extra(),
        )

    def _pack_extra(self) -> bytes | None:
        return pack_extra({**(self.extra or {}), "tags": sorted(self.run_tags)})

    def _annotate(self, state: State[Any]) -> None:
        details = state.state_details
        details.task_run_id = self.id
        details.flow_run_id = self.flow_run_id
        state.execution_id = self.execution_id


class FlowRun(Run):
    """A run of a flow."""

    parent_task_run_id_bytes: bytes | None = None
    parent_flow_run_id_bytes: bytes | None = None
    parameters_packed: bytes | None = None
    parameters_text: str | None = None
    entry: EntryPoint | None = None
    forked_from: bytes | None = None
    name: str = ""
    run_tags: frozenset[str] = frozenset()

    def __init__(self, id_: bytes, session: Session, definition: FlowDefinition, parameters: dict[str, Any]) -> None:
        super().__init__(id_, session)
        self.definition = definition
        self.parameters = parameters

    @property
    def flow_name(self) -> str:
        return self.definition.name

    @property
    def flow_version(self) -> str | None:
        return self.definition.version

    @property
    def parent_task_run_id(self) -> uuid.UUID | None:
        return None if self.parent_task_run_id_bytes is None else uuid.UUID(bytes=self.parent_task_run_id_bytes)

    @property
    def parent_flow_run_id(self) -> uuid.UUID | None:
        return None if self.parent_flow_run_id_bytes is None else uuid.UUID(bytes=self.parent_flow_run_id_bytes)

    @property
    def root_flow_run_id(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.session.root_run_id)

    @property
    def tags(self) -> list[str]:
        return sorted(self.run_tags)

    def __repr__(self) -> str:
        return f"<FlowRun {self.name!r} {self.state_name}>"

    def touch(self) -> None:
        if not self.refused and not self.session.detached:
            self.session.journal.touch_flow_run(self)

    def snapshot(self, version: int) -> FlowRunSnapshot:
        history = self.history
        count = len(history)
        last = history[count - 1]
        return FlowRunSnapshot(
            id=self.id_bytes,
            root_run_id=self.session.root_run_id,
            parent_flow_run_id=self.parent_flow_run_id_bytes,
            parent_task_run_id=self.parent_task_run_id_bytes,
            flow_id=self.definition.id,
            name=self.name,
            attempt=self.session.attempt,
            version=version,
            run_count=self.run_count,
            state_type=last[0],
            state_name=last[2] if len(last) > 2 else None,
            states=self._take_states(count),
            start_time=self.start_time_us,
            end_time=self.end_time_us,
            parameters=self.parameters_packed,
            parameters_text=self.parameters_text,
            tags=tuple(sorted(self.run_tags)),
            result=self.result,
            entry=self.entry,
            process_id=self.session.journal.process.id,
            forked_from=self.forked_from,
            extra=pack_extra(self.extra) if self.extra else None,
        )

    def _annotate(self, state: State[Any]) -> None:
        details = state.state_details
        details.flow_run_id = self.id
        if self.parent_task_run_id_bytes is not None:
            details.task_run_id = self.parent_task_run_id
        state.execution_id = self.execution_id


def full_entry(entry: Entry) -> tuple[int, int, str | None, str | None, dict[str, Any] | None]:
    """Return an entry with None for what was left out."""
    code, stamp, name, message, details = (*entry, None, None, None)[:5]
    return cast("int", code), cast("int", stamp), name, message, details


def _moment(stamp: int | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp / 1_000_000, UTC)
