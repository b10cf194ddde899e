"""Putting a flow run into another state by hand, which ends its attempt: whoever executed it is fenced."""

from __future__ import annotations

import msgspec

from dalsegno._store import attempts, crashes, recovery
from dalsegno._store.connection import Connection
from dalsegno._store.rows import ASIDE
from dalsegno.exceptions import BackendError, StateConflict
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.states import (
    DEFAULT_NAMES,
    STATE_CODES,
    STATE_TYPES,
    TERMINAL_TYPES,
    StateType,
    may_follow,
    pack_states,
)

_CANCELLED = STATE_CODES[StateType.CANCELLED]
# A new attempt, at version 0: newer than anything that the attempts before can still send.
_SET = """
    UPDATE flow_run SET attempt = ?, version = 0, state_type = ?, state_name = ?, end_time = coalesce(end_time, ?),
        cancel_requested = NULL, states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""


class SetState(msgspec.Struct, kw_only=True):
    """The state that a flow run is to be in."""

    type: StateType
    name: str | None = None
    """None: the default name of the type."""
    message: str | None = None
    force: bool = False
    """Also while it is executed, and whatever state it was in."""


def set_state(connection: Connection, flow_run_id: bytes, wanted: SetState, now: int) -> None:
    """Put a root flow run into a state that ends it. Raises ObjectNotFound, RunIsAlive or StateConflict."""
    root = check_state(connection, flow_run_id, wanted)
    if not wanted.force:
        attempts.settle(connection, root, "setting its state, or force it", now)
        root = check_state(connection, flow_run_id, wanted)
    unfinished = crashes.unfinished_of_root(connection, root.id)
    number = connection.execute("SELECT number FROM flow_run WHERE id = ?", (root.id,)).fetchone()[0]
    code, attempt = STATE_CODES[wanted.type], root.attempt + 1
    name = None if wanted.name == DEFAULT_NAMES[wanted.type] else wanted.name
    chunk = pack_states(attempt, ASIDE, id_time(root.id), [(code, now, name, wanted.message)])
    connection.execute(_SET, (attempt, code, name, now, chunk, root.id))
    # The root itself has ended by now, so this ends what else of it had not.
    message = f"It had not ended when its run was set to {name or DEFAULT_NAMES[wanted.type]} by hand."
    nested = [key for key in unfinished if key[1] != root.id]
    crashes.end_runs(connection, [*nested, (number, root.id, attempt)], [], _CANCELLED, message, now, now)
    # It waits in no queue and nobody's claim or slots outlive it.
    recovery.end_claim(connection, root.id, now, recover=False)


def check_state(connection: Connection, flow_run_id: bytes, wanted: SetState) -> attempts.Root:
    """Return the flow run if it may be put into a state, as far as that can be told without looking for its
    process."""
    root = attempts.find_root(connection, flow_run_id)
    if root.id != flow_run_id:
        raise BackendError(
            f"Flow run {id_text(flow_run_id)} is nested in {root}: set the state of that one, or the result of the"
            " task run that stands for the nested one."
        )
    if wanted.type not in TERMINAL_TYPES:
        raise StateConflict(
            f"{root} cannot be put into {wanted.type}, for nobody would execute it: only states that end a run are"
            " set by hand. Have it run again with `dalsegno flow-run retry`."
        )
    old = STATE_TYPES[root.state_type]
    if not wanted.force and not may_follow(old, wanted.type):
        raise StateConflict(f"{root} is {old}, which {wanted.type} cannot follow; force it if that is meant.")
    return root
