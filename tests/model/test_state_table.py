"""The table of states holds for every walk through it, and histories survive their packing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dalsegno.model.states import (
    DEFAULT_NAMES,
    FIRST_TERMINAL_CODE,
    LONGEST_MESSAGE,
    STATE_CODES,
    STATE_NAMES,
    STATE_TYPES,
    TERMINAL_TYPES,
    TRANSITIONS,
    StateType,
    may_follow,
    pack_states,
    unpack_states,
)

TYPES = st.sampled_from(list(StateType))
RUNNABLE = frozenset(StateType) - TERMINAL_TYPES
# A process that was thought to be dead may say that it is not; a rollback renames what completed.
MAY_CHANGE_AFTER_THE_END = {
    StateType.CRASHED: TERMINAL_TYPES | {StateType.RUNNING},
    StateType.COMPLETED: {StateType.COMPLETED},
}


@st.composite
def walks(draw: Any) -> list[StateType]:
    """Walk through the table, from no state to as far as one may go."""
    walk: list[StateType] = []
    for _ in range(draw(st.integers(1, 12))):
        allowed = TRANSITIONS[walk[-1] if walk else None]
        if not allowed:
            break
        walk.append(draw(st.sampled_from(sorted(allowed))))
    return walk


def test_every_type_has_a_row_a_code_and_names() -> None:
    for table in (STATE_CODES, STATE_NAMES, DEFAULT_NAMES):
        assert set(table) == set(StateType)
    assert set(TRANSITIONS) == {None, *StateType}
    assert {code: type_ for type_, code in STATE_CODES.items()} == STATE_TYPES


def test_every_name_belongs_to_one_type() -> None:
    names = [name for names in STATE_NAMES.values() for name in names]
    assert len(names) == len(set(names))
    assert all(DEFAULT_NAMES[type_] == names[0] for type_, names in STATE_NAMES.items())


def test_terminal_types_are_those_from_the_first_terminal_code_on() -> None:
    assert {type_ for type_, code in STATE_CODES.items() if code >= FIRST_TERMINAL_CODE} == TERMINAL_TYPES


@given(old=TYPES, new=TYPES)
def test_terminal_states_end(old: StateType, new: StateType) -> None:
    if old in TERMINAL_TYPES:
        assert may_follow(old, new) == (new in MAY_CHANGE_AFTER_THE_END.get(old, ()))


@given(old=st.sampled_from(sorted(RUNNABLE)), new=st.sampled_from([StateType.CANCELLED, StateType.CRASHED]))
def test_whatever_has_not_ended_may_be_cancelled_and_may_crash(old: StateType, new: StateType) -> None:
    assert may_follow(old, new)


@given(walk=walks())
def test_a_walk_completes_fails_or_is_cancelled_at_most_once(walk: list[StateType]) -> None:
    ends = [type_ for type_ in walk if type_ in TERMINAL_TYPES - {StateType.CRASHED}]
    assert len(set(ends)) <= 1
    assert all(may_follow(old, new) for old, new in zip([None, *walk], walk, strict=False))


@given(walk=walks())
def test_what_is_being_cancelled_does_not_run_again(walk: list[StateType]) -> None:
    if StateType.CANCELLING in walk:
        after = walk[walk.index(StateType.CANCELLING) :]
        alive = after[: after.index(StateType.CRASHED)] if StateType.CRASHED in after else after
        assert StateType.RUNNING not in alive


def test_from_every_state_an_end_can_be_reached() -> None:
    reaching = set(TERMINAL_TYPES)
    for _ in StateType:
        reaching |= {type_ for type_ in StateType if TRANSITIONS[type_] & reaching}
    assert reaching == set(StateType)


# --- packed histories

DETAILS = st.none() | st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), min_size=1)
ENTRIES = st.tuples(
    st.sampled_from(sorted(STATE_TYPES)),
    st.integers(0, 2**52),
    st.none() | st.text(min_size=1, max_size=12),
    st.none() | st.text(max_size=30),
    DETAILS,
)


@st.composite
def histories(draw: Any) -> tuple[list[tuple[int, int, list[tuple[Any, ...]]]], int]:
    """Make the states of some attempts, cut into chunks as flushes do, and the time of the run's id."""
    chunks: list[tuple[int, int, list[tuple[Any, ...]]]] = []
    for attempt in range(1, draw(st.integers(1, 3)) + 1):
        entries = draw(st.lists(ENTRIES, max_size=8))
        start = 0
        while start < len(entries):
            size = draw(st.integers(1, len(entries) - start))
            chunks.append((attempt, start, entries[start : start + size]))
            start += size
    return chunks, draw(st.integers(0, 2**51))


@given(history=histories(), data=st.data())
def test_a_history_is_read_as_it_was_written_whatever_came_twice_or_late(
    history: tuple[list[tuple[int, int, list[tuple[Any, ...]]]], int], data: st.DataObject
) -> None:
    chunks, origin = history
    again = data.draw(st.lists(st.sampled_from(chunks), max_size=3)) if chunks else []
    delivered = data.draw(st.permutations([*chunks, *again]))
    packed = b"".join(pack_states(attempt, first, origin, entries) for attempt, first, entries in delivered)
    found = [
        (record.attempt, record.position, record.type, record.timestamp, record.name, record.message, record.details)
        for record in unpack_states(packed, origin)
    ]
    assert found == [
        (attempt, position, STATE_TYPES[code], stamp, name or DEFAULT_NAMES[STATE_TYPES[code]], message, details)
        for attempt, first, entries in chunks
        for position, (code, stamp, name, message, details) in enumerate(entries, first)
    ]


@given(entries=st.lists(ENTRIES, min_size=1, max_size=6), origin=st.integers(0, 2**51))
def test_chunks_that_overlap_give_each_state_once(entries: list[tuple[Any, ...]], origin: int) -> None:
    packed = b"".join(pack_states(1, start, origin, entries[start:]) for start in range(len(entries)))
    found = unpack_states(packed, origin)
    assert [record.position for record in found] == list(range(len(entries)))
    assert [STATE_CODES[record.type] for record in found] == [entry[0] for entry in entries]


def test_no_history_is_no_state() -> None:
    assert unpack_states(b"", 0) == []
    assert unpack_states(pack_states(1, 0, 0, []), 0) == []


@given(entry=ENTRIES)
def test_packing_changes_nothing_of_what_it_packs(entry: tuple[Any, ...]) -> None:
    before = list(entry)
    pack_states(1, 0, 0, [entry])
    assert list(entry) == before


def test_of_a_message_without_end_the_beginning_is_kept() -> None:
    (record,) = unpack_states(pack_states(1, 0, 0, [(7, 5, None, "x" * 20_000_000)]), 0)
    assert record.message == "x" * (LONGEST_MESSAGE - 1) + "…"


def test_any_number_of_long_messages_makes_as_many_chunks_as_they_need() -> None:
    entries = [(7, stamp, None, "\N{MUSICAL SYMBOL SEGNO}" * LONGEST_MESSAGE) for stamp in range(300)]
    found = unpack_states(pack_states(2, 3, 0, entries), 0)
    assert [(record.position, record.timestamp) for record in found] == [(3 + stamp, stamp) for stamp in range(300)]
    assert {record.message for record in found} == {entries[0][3]}
