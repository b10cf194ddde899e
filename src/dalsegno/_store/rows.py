"""Turns rows of flow runs and task runs into what readers see."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store.connection import Dialect
from dalsegno.model.ids import id_time
from dalsegno.model.records import (
    EntryPoint,
    ProcessRecord,
    default_task_run_name,
    unpack_extra,
    unpack_upstream,
)
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES, StateRecord, StateType, unpack_states
from dalsegno.model.views import FlowRunView, TaskRunView

ASIDE = 1 << 20
"""Positions from here on are of states that the store added: they never collide with those of a process."""

FLOW_RUN_COLUMNS = """
    run.id, run.root_run_id, run.parent_flow_run_id, run.parent_task_run_id, flow.name, flow.version,
    flow.source_hash, run.name, run.attempt, run.run_count, run.state_type, run.state_name, run.start_time,
    run.end_time, run.tags, run.entry, run.extra, run.parameters_text, run.forked_from, run.parameters,
    run.result, run.states, run.deployment_id,
    (SELECT deployment.name FROM deployment WHERE deployment.id = run.deployment_id)
"""
FLOW_RUN_TABLES = "flow_run AS run LEFT JOIN flow ON flow.id = run.flow_id"

TASK_RUN_ROOT: dict[Dialect, str] = {
    "sqlite": "coalesce(owner.root_run_id, owner.id, run.root, run.id)",
    "postgresql": "run.root_run_id",
}
"""The root of a row of TASK_RUN_TABLES."""
_TASK_RUN_COLUMNS = """
    run.id, owner.id, {root}, run.parent_task_run_id,
    task.key, task.name, task.version, task.source_hash, task.tags, run.name, run.attempt, run.run_count,
    run.state_type, run.state_name, run.start_time, run.duration, run.fingerprint, run.upstream, run.result,
    run.child_flow_run_id, run.superseded, run.extra, run.states
"""
TASK_RUN_TABLES = """
    task_run AS run JOIN task ON task.number = run.task
    LEFT JOIN flow_run AS owner ON owner.number = run.flow_run
"""

TASK_RUN_COLUMNS: dict[Dialect, str] = {
    dialect: _TASK_RUN_COLUMNS.format(root=root) for dialect, root in TASK_RUN_ROOT.items()
}

_decode_entry = msgspec.msgpack.Decoder(EntryPoint).decode
_decode_positions = msgspec.msgpack.Decoder(tuple[int, int, list[msgspec.Raw]]).decode
_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


def flow_run_view(
    row: tuple[Any, ...],
    *,
    whole: bool,
    process: ProcessRecord | None = None,
    task_run_counts: dict[str, int] | None = None,
) -> FlowRunView:
    """Return a row of FLOW_RUN_COLUMNS as readers see it; in lists (`whole` is false) without its large
    parts."""
    history = read_history(row[21], id_time(row[0]))
    return FlowRunView(
        id=row[0],
        root_run_id=row[1] or row[0],
        parent_flow_run_id=row[2],
        parent_task_run_id=row[3],
        flow_name=row[4] or "",
        flow_version=row[5],
        flow_source_hash=row[6],
        name=row[7],
        attempt=row[8],
        run_count=row[9],
        state=current_state(history, row[10], row[11], row[0]),
        states=history if whole else None,
        created=id_time(row[0]),
        start_time=row[12],
        end_time=row[13],
        tags=unpack_tags(row[14]),
        entry=None if row[15] is None else _decode_entry(row[15]),
        extra=unpack_extra(row[16]),
        parameters_text=row[17],
        forked_from=row[18],
        parameters=row[19] if whole else None,
        result=row[20] if whole else None,
        deployment_id=row[22],
        deployment_name=row[23],
        process=process,
        task_run_counts=task_run_counts,
    )


def task_run_view(row: tuple[Any, ...], *, whole: bool) -> TaskRunView:
    """Return a row of TASK_RUN_COLUMNS as readers see it; in lists (`whole` is false) without its large
    parts."""
    history = read_history(row[22], id_time(row[0]))
    start, duration, extra = row[14], row[15], unpack_extra(row[21])
    return TaskRunView(
        id=row[0],
        flow_run_id=row[1],
        root_run_id=row[2],
        parent_task_run_id=row[3],
        task_key=row[4],
        task_name=row[5],
        task_version=row[6],
        source_hash=row[7],
        name=row[9] or default_task_run_name(row[5], row[0]),
        attempt=row[10],
        run_count=row[11],
        state=current_state(history, row[12], row[13], row[0]),
        states=history if whole else None,
        created=id_time(row[0]),
        start_time=start,
        end_time=_end_time(start, duration, history),
        tags=tuple(sorted({*unpack_tags(row[8]), *extra.get("tags", ())})),
        fingerprint=row[16],
        upstream=unpack_upstream(row[17]),
        result=row[18] if whole else None,
        child_flow_run_id=row[19],
        superseded_by=row[20],
        extra=extra,
    )


def read_history(packed: bytes, origin: int) -> list[StateRecord]:
    """Return a run's states in order of time, without what was only noted until the run said it itself."""
    states = unpack_states(packed, origin)
    if any(state.position >= ASIDE for state in states):
        told = {state.attempt for state in states if state.position < ASIDE}
        states = [
            state
            for state in states
            if state.position < ASIDE or state.type is not StateType.PENDING or state.attempt not in told
        ]
        states.sort(key=lambda state: (state.attempt, state.timestamp, state.position))
    return states


def current_state(history: list[StateRecord], code: int, name: str | None, id: bytes) -> StateRecord:
    """Return the state that a run is in: the row says which, its history says the rest."""
    type_ = STATE_TYPES[code]
    name = name or DEFAULT_NAMES[type_]
    for state in reversed(history):
        if state.type is type_ and state.name == name:
            return state
    return StateRecord(type=type_, name=name, timestamp=history[-1].timestamp if history else id_time(id))


def next_position(packed: bytes, attempt: int) -> int:
    """Return how many states of its own a run has within an attempt; reads no more of them than that takes."""
    end, start = 0, 0
    while start < len(packed):
        stop = start + 3 + int.from_bytes(packed[start : start + 3], "big")
        of_attempt, first, entries = _decode_positions(packed[start + 3 : stop])
        if of_attempt == attempt and first < ASIDE:
            end = max(end, first + len(entries))
        start = stop
    return end


def unpack_tags(packed: str | None) -> tuple[str, ...]:
    """Return tags as they stand in a row."""
    return () if packed is None else _decode_tags(packed)


def _end_time(start: int | None, duration: int | None, history: list[StateRecord]) -> int | None:
    if start is not None:
        return None if duration is None else start + duration
    # It ended without having started: Skipped, Cached, replayed from a cache.
    return history[-1].timestamp if history and history[-1].type in _ENDS else None


_ENDS = {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED}
