"""Answers a call with what an earlier run of the body recorded, or lets its row go on."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

from dalsegno._engine import logs, task_transactions
from dalsegno._engine.lineage import TAKEN_FROM, Recorded, Replay, Sought, taken_from
from dalsegno._engine.runs import COMPLETED, TaskRun, now
from dalsegno._engine.states import MISSING
from dalsegno.exceptions import DalsegnoException, EncryptionKeyError
from dalsegno.model.states import DEFAULT_NAMES, StateRecord, StateType
from dalsegno.model.views import ReplayEntry

if TYPE_CHECKING:
    from dalsegno._engine.task_life import TaskExecution


def adopt(x: TaskExecution) -> bool:
    """Look for the call among what was recorded. True: it is answered, and the body is not to run."""
    assert x.flow_scope is not None
    replay = x.flow_scope.replay
    assert replay is not None
    run = x.run
    upstream = [id_ for _, id_ in run.upstream or ()]
    recorded = replay.take(Sought(x.scope_id, run.id_bytes, x.task.definition, run.sought, upstream))
    if recorded is None:
        return False
    must_enter = x.transaction is not None and task_transactions.must_enter(x, recorded)
    if recorded.answers and not must_enter and _answer(x, replay, recorded):
        return True
    if x.transaction is not None:
        task_transactions.note_rollback(x, recorded)
    if recorded.is_own:
        replaced = replay.replaced_by(recorded)
        if replaced:
            x.session.journal.supersede(x.session.root_run_id, replaced)
        continue_row(run, recorded.entry, replay.same_attempt)
    return False


def adopt_waiting_row(x: TaskExecution, replay: Replay) -> None:
    """Let the row of a call that could not start in an earlier attempt either go on."""
    entry = replay.take_waiting(x.scope_id, x.task.definition.key)
    if entry is not None:
        continue_row(x.run, entry, replay.same_attempt)


def note_rerun(x: TaskExecution, value: object) -> None:
    """Remember what is in the result of a run that ran again, so that what is given parts of it runs again too."""
    replay = None if x.flow_scope is None else x.flow_scope.replay
    if replay is not None and replay.runs_again(x.run.id_bytes):
        x.session.links.note_parts(value, x.run.id_bytes, x.run.execution_id)


def continue_row(run: TaskRun, entry: ReplayEntry, same_attempt: bool) -> None:
    """Let the row of an earlier run of this call go on, rather than begin another."""
    run.id_bytes = entry.id
    run.run_count = entry.run_count
    run.completed_before = entry.run_count if entry.state_type == COMPLETED else 0
    run.custom_name = entry.name
    run.first_position = entry.state_count if same_attempt else 0
    run.child_flow_run_id = entry.child_flow_run_id


def _answer(x: TaskExecution, replay: Replay, recorded: Recorded) -> bool:
    entry, index = recorded.entry, recorded.index
    name = entry.name or x.task.definition.name
    value = MISSING
    packed = index.result(entry)
    if packed is not None:
        try:
            value = x.session.keeper.load(packed, entry.id, entry.run_count, index.root_run_id)
        except EncryptionKeyError:
            raise  # the result is there: to run the task again unasked would be to do its work twice
        except DalsegnoException as error:
            logs.write(x.caller, logging.WARNING, "Task %r runs again: its result cannot be used: %s", name, error)
            return False
    elif entry.state_name != "Skipped":
        logs.write(x.caller, logging.WARNING, "Task %r runs again: its result was not kept.", name)
        return False
    if entry.source_hash != x.task.definition.source_hash and replay.is_first_word_of(entry.task_key):
        _tell_of_change(x, entry)
    run = x.run
    run.value = value
    if recorded.is_own:
        continue_row(run, entry, replay.same_attempt)
        run.result = packed
        run.refused = True
        run.recorded_state = (len(run.history), lambda: _state_of(x, recorded))
        run.history.append((COMPLETED, now(), entry.state_name))
    else:
        _copy(x, replay, recorded, value)
    x.session.links.note(value, run.id_bytes, run.execution_id, len(packed or b""))
    x.answered_by = recorded
    return True


def _copy(x: TaskExecution, replay: Replay, recorded: Recorded, value: object) -> None:
    """Record anew, in this run, what answers the call."""
    run, entry = x.run, recorded.entry
    run.run_count = entry.run_count  # the result is signed for this count
    x.session.keeper.keep_task_result(x, value)
    replay.copied(run.execution_id, entry)
    run.note(TAKEN_FROM, taken_from(entry))
    state = _state_of(x, recorded)
    run.end_time_us = now()
    message = (state and state.message) or "Taken from the run this one started from."
    run.history.append((COMPLETED, run.end_time_us, entry.state_name, message, state and state.details))
    run.touch()


def _state_of(x: TaskExecution, recorded: Recorded) -> StateRecord | None:
    """Return the state that answers a call, as it is recorded; None, and a line in the log, if it cannot be read."""
    entry = recorded.entry
    try:
        state = recorded.index.state(entry)
    except DalsegnoException as error:
        name = entry.name or entry.task_name
        logs.write(x.caller, logging.WARNING, "The state of %r, as it was recorded, cannot be read: %s", name, error)
        return None
    wanted = entry.state_name or DEFAULT_NAMES[StateType.COMPLETED]
    return state if state is not None and state.name == wanted else None


def _tell_of_change(x: TaskExecution, entry: ReplayEntry) -> None:
    """Say, once per task, that its code is no longer what it was when it completed."""
    logs.write(
        x.caller,
        logging.WARNING,
        "%s %r was changed since it completed; its earlier result is used. To run it again: "
        "dalsegno flow-run retry %s --from %s  (or --changed)",
        "Task" if entry.child_flow_run_id is None else "Flow",
        x.task.definition.name,
        x.session.root_run_text,
        shlex.quote(x.task.definition.name),
    )
