"""What somebody wants of a run before its next task: that it pauses, or that it is suspended."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dalsegno._engine import logs
from dalsegno._engine.bells import Bell
from dalsegno._engine.pausing import around, wait, why_not_suspended
from dalsegno._engine.steps import Block, Life, Step, WaitFor
from dalsegno.exceptions import BackendUnavailable, RunSuspended
from dalsegno.model.ids import new_id
from dalsegno.model.pauses import BeginPause

if TYPE_CHECKING:
    from dalsegno._engine.context import FlowRunContext
    from dalsegno._engine.session import Session
    from dalsegno._engine.task_life import TaskExecution


def obey(x: TaskExecution) -> Life:
    """Do what is wanted of the run before a call of a task: pause, or break off the body to be suspended."""
    session, scope = x.session, x.flow_scope
    if scope is None or x.parent is None or session.detached:
        return
    if session.wishes.wanted:
        # Of those that run beside each other none can: the next call in the flow's own body does.
        if why_not_suspended(x.parent) is None and (yield from _is_wanted(session)):
            yield from _suspend(session, scope)
        return
    first, bell = _stand_in_line(session)
    if not first:
        with session.woken(bell.ring):
            yield WaitFor([bell])
        session.check()
        return
    try:
        if (yield from _is_wanted(session)):
            root: Any = list(around(scope))[-1]
            yield from _pause(session, root.flow_scope or scope)
    finally:
        session.wishes.fulfilled()
        bell.ring()


def _stand_in_line(session: Session) -> tuple[bool, Bell]:
    """Return whether the caller is the first that pauses, and what all others wait for."""
    wishes = session.wishes
    with wishes.lock:
        first = wishes.pause_id is None
        if first:
            wishes.pause_id, wishes.over = new_id(), Bell()
        assert wishes.over is not None
        return first, wishes.over


def _is_wanted(session: Session) -> Generator[Step, Any, bool]:
    """Ask: what was heard may be older than the answer that the run was given."""
    root, process = session.root_run_id, session.journal.process.id
    try:
        receipt = yield Block(lambda: session.backend.heartbeat(process, {root: session.attempt}))
    except BackendUnavailable:
        return False  # it is heard of again with a later receipt
    wanted = root in receipt.pause or root in receipt.suspend
    if not wanted:
        session.wishes.fulfilled()
    return wanted


def _pause(session: Session, scope: FlowRunContext) -> Life:
    assert session.wishes.pause_id is not None
    pause = BeginPause(
        id=session.wishes.pause_id, flow_run_id=scope.flow_run.id_bytes, attempt=session.attempt, kind="pause"
    )
    view = yield Block(lambda: session.backend.begin_pause(pause))
    yield from wait(scope, pause, view)


def _suspend(session: Session, scope: FlowRunContext) -> Life:
    message = "Somebody suspended it; it waits to be resumed."
    pause = BeginPause(id=new_id(), flow_run_id=scope.flow_run.id_bytes, attempt=session.attempt, kind="suspend")
    yield Block(lambda: session.backend.begin_pause(pause))
    logs.write(scope.flow_run, logging.INFO, "It is to be suspended.")
    session.suspension = message, {"pause_reschedule": True}
    raise RunSuspended(message)
