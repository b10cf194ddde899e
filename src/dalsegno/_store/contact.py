"""A process that was thought to be gone is heard of again: what it still executes is shown as it is.

Only runs that were called directly: the attempt of a claimed run was fenced when its lease ended.
"""

from __future__ import annotations

from typing import Any

from dalsegno._store import processes, recovery
from dalsegno._store.connection import Connection
from dalsegno._store.rows import ASIDE, read_history
from dalsegno.model.ids import id_time
from dalsegno.model.records import ProcessRecord
from dalsegno.model.states import DEFAULT_NAMES, FIRST_TERMINAL_CODE, STATE_CODES, StateRecord

_MESSAGE = "Contact was regained."

# Nested ones only while their root's attempt is theirs.
_FLOW_RUNS = """
    SELECT run.number, run.id, run.attempt, run.states FROM flow_run AS run
    LEFT JOIN flow_run AS root ON root.id = run.root_run_id
    WHERE run.process_id = ? AND run.state_type = 9 AND coalesce(root.attempt, run.attempt) = run.attempt
"""
_TASK_RUNS = "SELECT flow_run, id, attempt, states FROM task_run WHERE flow_run = ? AND state_type = 9"
_TASK_RUNS_ALONE = "SELECT flow_run, id, attempt, states FROM task_run WHERE process_id = ? AND state_type = 9"
_SHOW_FLOW_RUN = (
    "UPDATE flow_run SET state_type = ?, state_name = ?, end_time = NULL, states = CAST(states || ? AS BLOB)"
    " WHERE id = ?"
)
_SHOW_TASK_RUN = (
    "UPDATE task_run SET state_type = ?, state_name = ?, duration = NULL, states = CAST(states || ? AS BLOB)"
    " WHERE id = ?"
)


def note(connection: Connection, process_id: bytes, now: int) -> None:
    """Note that a process lives; if it was thought to be gone, bring what it executes back to the states it had."""
    seen = processes.find(connection, process_id)
    processes.touch(connection, process_id, now)
    if seen is None or seen.ended is None:
        return
    processes.go_on(connection, process_id)
    for row in connection.execute(_FLOW_RUNS, (process_id,)).fetchall():
        if _show(connection, _SHOW_FLOW_RUN, row, now):
            for task_run in connection.execute(_TASK_RUNS, (row[0],)).fetchall():
                _show(connection, _SHOW_TASK_RUN, task_run, now)
    for row in connection.execute(_TASK_RUNS_ALONE, (process_id,)).fetchall():
        _show(connection, _SHOW_TASK_RUN, row, now)


def register(connection: Connection, process: ProcessRecord, lease: int, now: int) -> None:
    """Note a process that begins to execute runs; it may be one that was thought to be gone."""
    note(connection, process.id, now)
    processes.register(connection, process, lease, now)


def _show(connection: Connection, statement: str, row: tuple[Any, ...], now: int) -> bool:
    """Bring a run that the store has called Crashed back to its own last state. False: it crashed by its own word."""
    _, id, attempt, states = row
    history = read_history(states, id_time(id))
    if not history or history[-1].position < ASIDE:
        return False
    own = _own(history, attempt)
    if own is None or STATE_CODES[own.type] >= FIRST_TERMINAL_CODE:
        return False
    code = STATE_CODES[own.type]
    name = None if own.name == DEFAULT_NAMES[own.type] else own.name
    entry = (code, now, name, _MESSAGE)
    connection.execute(statement, (code, name, recovery.aside(id, attempt, entry, now), id))
    return True


def _own(history: list[StateRecord], attempt: int) -> StateRecord | None:
    """Return the last state that the process itself reported in this attempt."""
    own = [state for state in history if state.attempt == attempt and state.position < ASIDE]
    return own[-1] if own else None
