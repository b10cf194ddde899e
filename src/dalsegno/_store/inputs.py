"""Inputs that are sent to flow runs: each is kept once, in order, and taken once."""

from __future__ import annotations

from dalsegno._store import attempts
from dalsegno._store.connection import Connection
from dalsegno._store.statements import skipping
from dalsegno.exceptions import StateConflict
from dalsegno.model.ids import id_text, parse_id
from dalsegno.model.pauses import InputView, SendInput, TakeInput

_INSERT = """
    INSERT INTO run_input (id, root_run_id, flow_run_id, prefix, value, sender, sent) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
"""
_TAKEN = "SELECT id, value, sender, sent FROM run_input WHERE taken_by = ?"
_WAITING = """
    SELECT id, value, sender, sent FROM run_input
    WHERE flow_run_id = ? AND prefix = ? AND taken_by IS NULL{others} ORDER BY sent, id LIMIT 1
"""
_TAKE = "UPDATE run_input SET taken_by = ? WHERE id = ?"


def send(connection: Connection, asked: SendInput, now: int) -> bool:
    """Keep an input for a run. False: it was sent before. Raises ObjectNotFound, or StateConflict if the run ended."""
    if connection.execute("SELECT 1 FROM run_input WHERE id = ?", (asked.id,)).fetchone() is not None:
        return False
    root = attempts.find_root(connection, asked.flow_run_id)
    if root.ended:
        raise StateConflict(f"{root} has ended: it receives nothing any more.")
    about = (asked.flow_run_id, asked.prefix, asked.value, asked.sender, now)
    return connection.execute(_INSERT, (asked.id, root.id, *about)).rowcount > 0


def find(connection: Connection, asked: TakeInput) -> InputView | None:
    """Return the input that was taken under this id, or would be."""
    row = connection.execute(_TAKEN, (asked.id,)).fetchone() or _next(connection, asked, locked=False)
    return None if row is None else InputView(key=id_text(row[0]), value=row[1], sender=row[2], sent=row[3])


def take(connection: Connection, asked: TakeInput) -> InputView | None:
    """Take an input, so that nobody else does; the one that was taken, if this id took one before."""
    found = connection.execute(_TAKEN, (asked.id,)).fetchone()
    if found is None:
        found = _next(connection, asked, locked=True)
        if found is not None:
            connection.execute(_TAKE, (asked.id, found[0]))
    return None if found is None else InputView(key=id_text(found[0]), value=found[1], sender=found[2], sent=found[3])


def _next(connection: Connection, asked: TakeInput, *, locked: bool) -> tuple[bytes, str, str | None, int] | None:
    exclude = [parse_id(key) for key in asked.exclude]
    others = f" AND id NOT IN ({','.join('?' * len(exclude))})" if exclude else ""
    statement = _WAITING.format(others=others)
    if locked:
        statement = skipping(connection, statement)
    return connection.execute(statement, (asked.flow_run_id, asked.prefix, *exclude)).fetchone()
