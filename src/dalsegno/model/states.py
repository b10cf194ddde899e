"""States: their types, their names, which may follow which, and how a run's history is packed into bytes."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from dalsegno.model.texts import storable


class StateType(str, enum.Enum):
    """What kind of state a run is in. Names of states are free; types decide what may happen next."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"

    def __str__(self) -> str:
        return self.value


TERMINAL_TYPES = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})

# The numbers stand in databases: never change one, only add.
STATE_CODES = {
    StateType.SCHEDULED: 1,
    StateType.PENDING: 2,
    StateType.RUNNING: 3,
    StateType.PAUSED: 4,
    StateType.CANCELLING: 5,
    StateType.COMPLETED: 6,
    StateType.FAILED: 7,
    StateType.CANCELLED: 8,
    StateType.CRASHED: 9,
}
STATE_TYPES = {code: type_ for type_, code in STATE_CODES.items()}
FIRST_TERMINAL_CODE = STATE_CODES[StateType.COMPLETED]

# The names of section 5 of the architecture, by type; the first is the default name of the type.
STATE_NAMES: dict[StateType, tuple[str, ...]] = {
    StateType.SCHEDULED: ("Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot", "Resuming"),
    StateType.PENDING: ("Pending", "Submitting", "InfrastructurePending", "NotReady"),
    StateType.RUNNING: ("Running", "Retrying"),
    StateType.PAUSED: ("Paused", "Suspended"),
    StateType.CANCELLING: ("Cancelling",),
    StateType.COMPLETED: ("Completed", "Cached", "Skipped", "Fallback", "RolledBack"),
    StateType.FAILED: ("Failed", "TimedOut"),
    StateType.CANCELLED: ("Cancelled",),
    StateType.CRASHED: ("Crashed",),
}
DEFAULT_NAMES = {type_: names[0] for type_, names in STATE_NAMES.items()}

_ENDS = TERMINAL_TYPES | {StateType.CANCELLING}
_S = StateType
# Which type may follow which within one attempt. A new attempt starts over from SCHEDULED, PENDING or RUNNING
# whatever the run was before (that is what a retry is), so does a call that a flow's own retry comes to again (from
# PENDING), and a person may force any change.
TRANSITIONS: dict[StateType | None, frozenset[StateType]] = {
    None: frozenset(StateType),
    _S.SCHEDULED: frozenset({_S.SCHEDULED, _S.PENDING, _S.RUNNING, _S.PAUSED}) | _ENDS,
    _S.PENDING: frozenset({_S.SCHEDULED, _S.PENDING, _S.RUNNING, _S.PAUSED}) | _ENDS,
    _S.RUNNING: frozenset({_S.SCHEDULED, _S.RUNNING, _S.PAUSED, _S.PENDING}) | _ENDS,
    _S.PAUSED: frozenset({_S.SCHEDULED, _S.PENDING, _S.RUNNING, _S.PAUSED}) | _ENDS,
    _S.CANCELLING: frozenset({_S.CANCELLING, _S.CANCELLED, _S.CRASHED, _S.FAILED, _S.COMPLETED}),
    # A rollback renames what was completed; nothing else changes after the end.
    _S.COMPLETED: frozenset({_S.COMPLETED}),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    # A process that was only thought to be dead corrects what was said of it.
    _S.CRASHED: TERMINAL_TYPES | {_S.RUNNING},
}


def may_follow(old: StateType | None, new: StateType) -> bool:
    """Tell whether a run in a state of type `old` (None: no state yet) may go to one of type `new`."""
    return new in TRANSITIONS[old]


class StateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a run's history, as it is stored and sent."""

    type: StateType
    name: str
    timestamp: int
    """Microseconds since 1970 (UTC)."""
    message: str | None = None
    details: dict[str, Any] | None = None
    attempt: int = 1
    position: int = 0
    """With `attempt` it identifies the state within its run."""


LONGEST_MESSAGE = 16_384
"""Characters of a state's message; logs have the whole of an error."""
_LONGEST_CHUNK = 2**24 - 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, list[list[Any]]]).decode


def pack_states(attempt: int, first: int, origin: int, entries: Sequence[tuple[Any, ...]]) -> bytes:
    """Pack states into one chunk of a history.

    A history is a string of chunks, so that adding to it is concatenation: each chunk is its length in three bytes
    and a msgpack array ``[attempt, first, [[code, offset, name, message, details], ...]]``, where `first` is the
    position of its first state within the attempt, offsets are microseconds from `origin` (the time of the run's id),
    and what is None at the end of an entry is left out. `entries` are tuples (code, timestamp, name or None for the
    default name, message, details). Of a message that is longer than `LONGEST_MESSAGE` the beginning is kept.
    """
    packed: list[list[Any]] = []
    for code, timestamp, *rest in entries:
        while rest and rest[-1] is None:
            rest.pop()
        if len(rest) > 1 and rest[1] is not None and len(rest[1]) > LONGEST_MESSAGE:
            rest[1] = rest[1][: LONGEST_MESSAGE - 1] + "…"
        packed.append([code, timestamp - origin, *rest])
    try:
        chunk = _encode([attempt, first, packed])
    except UnicodeEncodeError:
        chunk = _encode([attempt, first, storable(packed)])
    if len(chunk) > _LONGEST_CHUNK and len(entries) > 1:
        half = len(entries) // 2
        before = pack_states(attempt, first, origin, entries[:half])
        return before + pack_states(attempt, first + half, origin, entries[half:])
    return len(chunk).to_bytes(3, "big") + chunk


def unpack_states(history: bytes, origin: int) -> list[StateRecord]:
    """Return the states of a packed history, each once (the first of those with one identity wins), in order."""
    found: dict[tuple[int, int], StateRecord] = {}
    for attempt, first, entries in _chunks(history):
        for position, (code, offset, *rest) in enumerate(entries, first):
            name, message, details = (*rest, None, None, None)[:3]
            type_ = STATE_TYPES[code]
            record = StateRecord(
                type=type_,
                name=name or DEFAULT_NAMES[type_],
                timestamp=origin + offset,
                message=message,
                details=details,
                attempt=attempt,
                position=position,
            )
            found.setdefault((attempt, position), record)
    return [found[key] for key in sorted(found)]


def _chunks(history: bytes) -> Iterator[tuple[int, int, list[list[Any]]]]:
    start = 0
    while start < len(history):
        end = start + 3 + int.from_bytes(history[start : start + 3], "big")
        yield _decode(history[start + 3 : end])
        start = end
