"""Opening the next attempt of a run, asking for its end, and completing a task run of it by hand."""

from __future__ import annotations

from dalsegno._store import contact, crashes, leases, processes, recovery
from dalsegno._store.connection import Connection
from dalsegno._store.rows import ASIDE, next_position
from dalsegno._store.statements import locking
from dalsegno.exceptions import AttemptConflict, BackendError, ObjectNotFound, RunIsAlive
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.states import FIRST_TERMINAL_CODE, STATE_CODES, StateType, pack_states
from dalsegno.model.views import OpenedRun, OpenRun

_PENDING = STATE_CODES[StateType.PENDING]
_PAUSED = STATE_CODES[StateType.PAUSED]
_CANCELLED = STATE_CODES[StateType.CANCELLED]
_COMPLETED = STATE_CODES[StateType.COMPLETED]

_ROOT = "SELECT id, name, attempt, run_count, state_type, process_id, version FROM flow_run WHERE id = ?"
_CLAIMED = "SELECT 1 FROM run_request WHERE flow_run_id = ? AND holder IS NOT NULL"
# The version starts anew: (attempt, version) is newer than anything of the attempts before.
_OPEN = """
    UPDATE flow_run SET attempt = ?, run_count = ?, version = 0, state_type = ?, state_name = NULL, end_time =
    NULL,
        process_id = ?, cancel_requested = NULL, states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""
_COMPLETE = """
    UPDATE task_run SET state_type = ?, state_name = NULL, result = ?, superseded = NULL,
        duration = coalesce(duration, ? - start_time), states = CAST(states || ? AS BLOB)
    WHERE id = ?
"""


class Root:
    """A root flow run, as far as it matters for what may be done to it."""

    def __init__(self, row: tuple[bytes, str, int, int, int, bytes | None, int]) -> None:
        self.id, self.name, self.attempt, self.run_count, self.state_type, self.process_id, self.version = row

    @property
    def is_suspended(self) -> bool:
        """Whether it waits without a process, which is as it should be."""
        return self.state_type == _PAUSED and self.process_id is None

    @property
    def ended(self) -> bool:
        return self.state_type >= FIRST_TERMINAL_CODE

    def __str__(self) -> str:
        return f"Flow run {self.name!r} ({id_text(self.id)})"


def find_root(connection: Connection, flow_run_id: bytes) -> Root:
    """Return the root of a flow run (itself, if it is one), locked until the transaction ends. Raises
    ObjectNotFound."""
    found = connection.execute("SELECT root_run_id FROM flow_run WHERE id = ?", (flow_run_id,)).fetchone()
    if found is None:
        raise ObjectNotFound(f"There is no flow run {id_text(flow_run_id)}.")
    select = locking(connection, _ROOT)
    row = connection.execute(select, (found[0] or flow_run_id,)).fetchone()
    # A flow called in a task outside flows: its root is that task run, and it answers for itself.
    return Root(row or connection.execute(select, (flow_run_id,)).fetchone())


def settle(connection: Connection, root: Root, doing: str, now: int) -> None:
    """See that nobody executes a run: raises RunIsAlive if somebody does, and marks what the dead left as
    Crashed."""
    if root.ended:
        return
    if connection.execute("SELECT 1 FROM ready WHERE flow_run_id = ?", (root.id,)).fetchone() is not None:
        raise RunIsAlive(
            f"{root} waits in the queue. Execute it with `dalsegno flow-run execute`, or cancel it, before {doing}."
        )
    if root.is_suspended:
        return
    seen = processes.find(connection, root.process_id)
    if seen is not None and seen.ended is None:
        if processes.is_there(seen, leases.counted_from(connection, now), now):
            process = seen.process
            raise RunIsAlive(
                f"{root} is executed at this moment by process {process.pid} on {process.host}. Cancel it, "
                f"or wait "
                f"for its end, before {doing}."
            )
        crashes.crash_process(connection, seen, now, recover=False)
    crashes.crash_root(connection, root.id, now)
    recovery.end_claim(connection, root.id, now, recover=False)


def open_run(connection: Connection, request: OpenRun, now: int, lease: int = leases.DEFAULT_LENGTH) -> OpenedRun:
    """Open the next attempt of a root flow run, which fences the earlier ones.

    A process that asks again before it has recorded anything, for it never heard the answer, gets the same attempt.
    """
    root = find_root(connection, request.flow_run_id)
    if root.id != request.flow_run_id:
        raise ObjectNotFound(
            f"Flow run {id_text(request.flow_run_id)} is nested in {root}: retry that one, which picks up "
            f"where this "
            "one stopped."
        )
    if _was_opened_for(connection, root, request):
        return OpenedRun(attempt=root.attempt, run_count=root.run_count)
    if request.only_from_attempt not in (None, root.attempt):
        raise AttemptConflict(
            f"{root} is at attempt {root.attempt}, not {request.only_from_attempt}: another process has just "
            f"retried it."
        )
    settle(connection, root, "retrying it", now)
    contact.register(connection, request.process, lease, now)
    connection.execute("DELETE FROM pause_wish WHERE root_run_id = ?", (root.id,))
    # Ending a claim may have raised the attempt.
    attempt = find_root(connection, root.id).attempt + 1
    opened = OpenedRun(attempt=attempt, run_count=root.run_count + 1)
    chunk = pack_states(opened.attempt, ASIDE, id_time(root.id), [(_PENDING, now)])
    connection.execute(_OPEN, (opened.attempt, opened.run_count, _PENDING, request.process.id, chunk, root.id))
    return opened


def _was_opened_for(connection: Connection, root: Root, request: OpenRun) -> bool:
    if root.process_id != request.process.id or root.version != 0 or root.state_type != _PENDING:
        return False
    if request.only_from_attempt not in (None, root.attempt - 1):
        return False
    return connection.execute(_CLAIMED, (root.id,)).fetchone() is None


def request_cancel(connection: Connection, flow_run_id: bytes, now: int) -> bool:
    """Ask for a live run to be cancelled, or cancel one that nobody executes. False: it had already ended."""
    root = find_root(connection, flow_run_id)
    if root.ended:
        return False
    if processes.lives(connection, root.process_id, now):
        connection.execute(
            "UPDATE flow_run SET cancel_requested = coalesce(cancel_requested, ?) WHERE id = ?",
            (now, root.id),
        )
        return True
    cancel_idle(connection, root.id, "Cancelled while no process was executing it.", now)
    return True


def cancel_idle(connection: Connection, root_run_id: bytes, message: str, now: int) -> None:
    """Call a root run Cancelled that nobody executes, with what is nested in it; it waits in no queue any more."""
    unfinished = crashes.unfinished_of_root(connection, root_run_id)
    crashes.end_runs(connection, unfinished, [], _CANCELLED, message, now, now)
    recovery.end_claim(connection, root_run_id, now, recover=False)


def set_task_result(connection: Connection, task_run_id: bytes, result: bytes, message: str, now: int) -> None:
    """Complete a task run by hand. Raises RunIsAlive or ObjectNotFound."""
    row = connection.execute(
        "SELECT owner.id, run.attempt FROM task_run AS run"
        " LEFT JOIN flow_run AS owner ON owner.number = run.flow_run WHERE run.id = ?",
        (task_run_id,),
    ).fetchone()
    if row is None:
        raise ObjectNotFound(f"There is no task run {id_text(task_run_id)}.")
    owner, attempt = row
    if owner is None:
        raise BackendError(
            f"Task run {id_text(task_run_id)} belongs to no flow run, so nothing would go on with its "
            f"result. Call the "
            "task again."
        )
    settle(connection, find_root(connection, owner), "setting results in it", now)
    history = connection.execute("SELECT states FROM task_run WHERE id = ?", (task_run_id,)).fetchone()[0]
    position = next_position(history, attempt)
    chunk = pack_states(attempt, position, id_time(task_run_id), [(_COMPLETED, now, None, message)])
    connection.execute(_COMPLETE, (_COMPLETED, result, now, chunk, task_run_id))
