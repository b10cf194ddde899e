"""Runs that wait: what for, until when, and going on.

A run whose process waits is Paused. A suspended one has none: whoever claimed it let go of it, and it is queued again
when it was resumed, or when it has slept enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno._store import attempts, crashes, processes, recovery
from dalsegno._store.attempts import Root
from dalsegno._store.connection import Connection, Database
from dalsegno._store.parameter_checks import misfits
from dalsegno._store.statements import locking
from dalsegno.exceptions import InvalidInput, ObjectNotFound, StateConflict
from dalsegno.model.ids import new_id
from dalsegno.model.pauses import EXPIRED, BeginPause, PauseView, ResumedRun, ResumeRun
from dalsegno.model.states import STATE_CODES, StateType

_SCHEDULED = STATE_CODES[StateType.SCHEDULED]
_PAUSED = STATE_CODES[StateType.PAUSED]
_FAILED = STATE_CODES[StateType.FAILED]
SUSPENDED = "Suspended"

_COLUMNS = "id, flow_run_id, kind, key, schema, description, begun, deadline, answered, answer, problem"
_FIND = f"SELECT {_COLUMNS} FROM pause WHERE id = ?"
_INSERT = """
    INSERT INTO pause (id, root_run_id, flow_run_id, attempt, kind, execution, key, schema, description, begun,
        deadline, seen)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
"""
# The time is up only for the execution that it was given to: a step that begins anew gets it again.
_BEGIN_AGAIN = """
    UPDATE pause SET attempt = ?, kind = ?, key = ?, schema = ?, description = ?, deadline = CASE
        WHEN kind <> 'sleep' AND execution <> ? AND (deadline IS NULL OR deadline <= ?) THEN ? ELSE deadline END,
        execution = ?
    WHERE id = ? AND answered IS NULL
"""
_REFUSE = "UPDATE pause SET answered = NULL, answer = NULL, seen = 0, problem = ? WHERE id = ? AND answered IS NOT NULL"
_SEEN = "UPDATE pause SET seen = 1 WHERE id = ? AND answered IS NOT NULL AND seen = 0"
_OPEN = f"""
    SELECT {_COLUMNS} FROM pause
    WHERE root_run_id = ? AND attempt = (SELECT attempt FROM flow_run WHERE id = ?) AND answered IS NULL
        AND (kind <> 'pause' OR deadline IS NULL OR deadline > ?)
    ORDER BY id
"""
_ANSWER = "UPDATE pause SET answered = ?, answer = ?, problem = NULL WHERE id = ?"
_LET_GO = "UPDATE flow_run SET process_id = NULL WHERE (id = ? OR root_run_id = ?) AND state_type < 6"
_IS_SUSPENDED = f"SELECT attempt FROM flow_run WHERE id = ? AND state_type = {_PAUSED} AND state_name = '{SUSPENDED}'"
# Of a pause in a process its step has heard.
_ANSWERED_UNSEEN = """
    SELECT 1 FROM pause
    WHERE root_run_id = ? AND attempt = ? AND kind <> 'pause' AND answered IS NOT NULL AND seen = 0
"""
_WAKES_AT = """
    SELECT min(deadline) FROM pause WHERE root_run_id = ? AND attempt = ? AND kind = 'sleep' AND answered IS NULL
"""
_PRIORITY = "SELECT priority FROM run_request WHERE flow_run_id = ?"
_WISH = """
    INSERT INTO pause_wish (root_run_id, suspend) VALUES (?, ?)
    ON CONFLICT (root_run_id) DO UPDATE SET suspend = excluded.suspend
"""
_SUSPEND = f"""
    UPDATE flow_run SET state_type = {_PAUSED}, state_name = '{SUSPENDED}', process_id = NULL,
        states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_OVERDUE = f"""
    SELECT DISTINCT pause.root_run_id FROM pause JOIN flow_run AS run ON run.id = pause.root_run_id
    WHERE pause.kind = 'suspend' AND pause.answered IS NULL AND pause.deadline <= ?
        AND run.attempt = pause.attempt AND run.state_type = {_PAUSED} AND run.state_name = '{SUSPENDED}'
"""
# So that they are not looked at again and again.
_PAST = "UPDATE pause SET deadline = NULL WHERE kind = 'suspend' AND answered IS NULL AND deadline <= ?"
_OF_ROOT = ("pause", "pause_wish", "run_input")


def begin(connection: Connection, asked: BeginPause, now: int) -> PauseView:
    """Note that a run waits; return the pause as it is, which may have been answered. Raises ObjectNotFound."""
    root = attempts.find_root(connection, asked.flow_run_id)
    deadline = None if asked.timeout is None else now + round(asked.timeout * 1e6)
    if connection.execute("SELECT 1 FROM pause WHERE id = ?", (asked.id,)).fetchone() is None:
        about = (asked.attempt, asked.kind, asked.execution, asked.key, asked.schema, asked.description)
        connection.execute(_INSERT, (asked.id, root.id, asked.flow_run_id, *about, now, deadline))
    else:
        if asked.refused is not None:
            connection.execute(_REFUSE, (asked.refused, asked.id))
        about = (asked.attempt, asked.kind, asked.key, asked.schema, asked.description)
        again = (*about, asked.execution, now, deadline, asked.execution, asked.id)
        connection.execute(_BEGIN_AGAIN, again)
        connection.execute(_SEEN, (asked.id,))
    return _view(connection.execute(_FIND, (asked.id,)).fetchone(), now)


def read(connection: Connection, id: bytes, now: int) -> PauseView | None:
    """Return a pause."""
    row = connection.execute(_FIND, (id,)).fetchone()
    return None if row is None else _view(row, now)


def open_pauses(connection: Connection, root_run_id: bytes, now: int) -> list[PauseView]:
    """Return what a root run, and what is nested in it, waits for."""
    return [_view(row, now) for row in connection.execute(_OPEN, (root_run_id, root_run_id, now)).fetchall()]


def resume(connection: Connection, asked: ResumeRun, now: int) -> ResumedRun:
    """Have a run that waits go on. Raises ObjectNotFound, StateConflict, or InvalidInput."""
    root = attempts.find_root(connection, asked.flow_run_id)
    wished = connection.execute("DELETE FROM pause_wish WHERE root_run_id = ?", (root.id,)).rowcount > 0
    suspended = connection.execute(_IS_SUSPENDED, (root.id,)).fetchone() is not None
    if root.ended:
        raise StateConflict(f"{root} does not wait: it has ended.")
    waiting = open_pauses(connection, root.id, now)
    if suspended and asked.input is None and not waiting and _was_resumed(connection, root):
        return _go_on(connection, root, suspended, now)
    if wished and not waiting:
        return ResumedRun(root_run_id=root.id, how="goes_on")  # it has not paused yet
    chosen = _choose(root, waiting, asked)
    _check_input(root, chosen, asked.input)
    connection.execute(_ANSWER, (now, asked.input, chosen.id))
    return _go_on(connection, root, suspended, now)


def let_go(connection: Connection, root_run_ids: Sequence[bytes], now: int) -> None:
    """Note that root runs were suspended by their own word: no process executes them, no slot is theirs."""
    for root in root_run_ids:
        row = connection.execute(_IS_SUSPENDED, (root,)).fetchone()
        if row is None:
            continue
        connection.execute(_LET_GO, (root, root))
        recovery.close_claims(connection, [root])
        if connection.execute(_ANSWERED_UNSEEN, (root, row[0])).fetchone() is not None:
            _wake(connection, root, row[0], now)  # somebody was faster than the run
            continue
        wakes_at = connection.execute(_WAKES_AT, (root, row[0])).fetchone()[0]
        priority = connection.execute(_PRIORITY, (root,)).fetchone()
        if wakes_at is not None and priority is not None:
            recovery.enqueue(connection, root, priority[0], wakes_at)


def ask(connection: Connection, flow_run_id: bytes, now: int, *, suspend: bool) -> bool:
    """Ask a live run to pause or to be suspended before its next task; one that waits in the queue is suspended at
    once. False: it waits already. Raises ObjectNotFound or StateConflict."""
    root = attempts.find_root(connection, flow_run_id)
    if root.ended:
        raise StateConflict(f"{root} has ended, so it cannot be paused.")
    if root.state_type == _PAUSED:
        return False
    if processes.lives(connection, root.process_id, now):
        connection.execute(_WISH, (root.id, int(suspend)))
        return True
    if root.state_type != _SCHEDULED:
        raise StateConflict(f"No process that executes {root} is known, so nobody can pause it.")
    connection.execute("DELETE FROM ready WHERE flow_run_id = ?", (root.id,))
    pause = BeginPause(id=new_id(), flow_run_id=root.id, attempt=root.attempt, kind="suspend")
    begin(connection, pause, now)
    entry = (_PAUSED, now, SUSPENDED, "It was suspended while it waited in the queue.")
    connection.execute(_SUSPEND, (recovery.aside(root.id, root.attempt, entry, now), root.id))
    return True


def expire(database: Database, now: int) -> int:
    """Fail suspended runs whose time is up; return how many."""
    roots = [row[0] for row in database.read(lambda connection: connection.execute(_OVERDUE, (now,)).fetchall())]
    return sum(database.write(lambda connection, root=root: _expire(connection, root, now)) for root in roots)


def forget(connection: Connection, root_run_id: bytes) -> None:
    """Delete all of this that belongs to a root run."""
    for table in _OF_ROOT:
        connection.execute(f"DELETE FROM {table} WHERE root_run_id = ?", (root_run_id,))


def _expire(connection: Connection, root_run_id: bytes, now: int) -> int:
    connection.execute(locking(connection, "SELECT id FROM flow_run WHERE id = ?"), (root_run_id,)).fetchone()
    # Looked at again: it may have been resumed meanwhile.
    if (root_run_id,) not in connection.execute(_OVERDUE, (now,)).fetchall():
        return 0
    unfinished = crashes.unfinished_of_root(connection, root_run_id)
    crashes.end_runs(connection, unfinished, [], _FAILED, EXPIRED, now, now)
    recovery.end_claim(connection, root_run_id, now, recover=False)
    connection.execute(f"{_PAST} AND root_run_id = ?", (now, root_run_id))
    return 1


def _was_resumed(connection: Connection, root: Root) -> bool:
    return connection.execute(_ANSWERED_UNSEEN, (root.id, root.attempt)).fetchone() is not None


def _choose(root: Root, waiting: list[PauseView], asked: ResumeRun) -> PauseView:
    if not waiting:
        raise StateConflict(f"{root} does not wait for anybody: there is nothing to resume.")
    own = [pause for pause in waiting if pause.flow_run_id == asked.flow_run_id]
    found = own or (waiting if asked.flow_run_id == root.id else [])
    if asked.key is not None:
        found = [pause for pause in found if pause.key == asked.key]
    if len(found) == 1:
        return found[0]
    keys = ", ".join(repr(pause.key) for pause in waiting if pause.key is not None) or "none of them has a key"
    if not found:
        raise ObjectNotFound(f"{root} does not wait there. The keys of what it waits for: {keys}.")
    raise StateConflict(f"{root} waits in {len(found)} places: say which by its key ({keys}).")


def _check_input(root: Root, pause: PauseView, given: str | None) -> None:
    if pause.schema is None:
        if given is not None:
            raise InvalidInput(f"{root} waits for no input: resume it without one.")
        return
    try:
        value: Any = {} if given is None else msgspec.json.decode(given)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(f"{root} cannot take the input: it is no JSON ({error}).") from error
    wrong = [(where or "input", what) for where, what in misfits(msgspec.json.decode(pause.schema), value)]
    if wrong:
        text = "; ".join(f"{where}: {what}" for where, what in wrong)
        raise InvalidInput(f"{root} cannot take the input: {text}.", wrong)


def _go_on(connection: Connection, root: Root, suspended: bool, now: int) -> ResumedRun:
    if not suspended:
        return ResumedRun(root_run_id=root.id, how="goes_on")
    queued = _wake(connection, root.id, root.attempt, now)
    return ResumedRun(root_run_id=root.id, how="queued" if queued else "to_be_executed")


def _wake(connection: Connection, root_run_id: bytes, attempt: int, now: int) -> bool:
    """Queue a suspended run that was asked for. False: it was called, and whoever called it executes it."""
    row = connection.execute(_PRIORITY, (root_run_id,)).fetchone()
    if row is None:
        return False
    recovery.schedule(connection, root_run_id, attempt, row[0], now, now, "Resuming")
    return True


def _view(row: tuple[Any, ...], now: int) -> PauseView:
    id, flow_run_id, kind, key, schema, description, begun, deadline, answered, answer, problem = row
    return PauseView(
        id=id,
        flow_run_id=flow_run_id,
        kind=kind,
        key=key,
        schema=schema,
        description=description,
        begun=begun,
        deadline=deadline,
        left=None if deadline is None else max(0.0, (deadline - now) / 1e6),
        answered=answered,
        answer=answer,
        problem=problem,
    )
