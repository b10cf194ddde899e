"""Answers a call with what an earlier run of the body recorded, or lets its row go on."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

from dalsegno._engine import logs, task_transactions
from dalsegno._engine.runs import COMPLETED, TaskRun, now
from dalsegno._engine.states import MISSING
from dalsegno.exceptions import DalsegnoException, EncryptionKeyError
from dalsegno.model.views import ReplayEntry

if TYPE_CHECKING:
    from dalsegno._engine.replay import ReplayIndex
    from dalsegno._engine.task_life import TaskExecution


def adopt(x: TaskExecution) -> bool:
    """Look for the call among what was recorded. True: it is answered, and the body is not to run."""
    assert x.flow_scope is not None
    replay = x.flow_scope.replay
    assert replay is not None
    definition = x.task.definition
    recorded = replay.take(x.scope_id, definition.key, definition.name, x.run.sought, definition.source_hash)
    if recorded is None:
        return False
    entry = recorded.entry
    must_enter = x.transaction is not None and task_transactions.must_enter(x, entry, replay)
    if recorded.answers and not must_enter and _answer(x, replay, entry):
        return True
    if x.transaction is not None:
        task_transactions.note_rollback(x, entry, replay)
    if replay.foreign:
        replay.stands_for(x.run.id_bytes, entry.id)
        x.run.child_flow_run_id = entry.child_flow_run_id
    else:
        continue_row(x.run, entry, replay.same_attempt)
    return False


def adopt_waiting_row(x: TaskExecution, replay: ReplayIndex) -> None:
    """Let the row of a call that could not start in an earlier attempt either go on."""
    definition = x.task.definition
    recorded = replay.take(x.scope_id, definition.key, definition.name, None, definition.source_hash)
    if recorded is not None and not replay.foreign:
        continue_row(x.run, recorded.entry, replay.same_attempt)


def continue_row(run: TaskRun, entry: ReplayEntry, same_attempt: bool) -> None:
    """Let the row of an earlier run of this call go on, rather than begin another."""
    run.id_bytes = entry.id
    run.run_count = entry.run_count
    run.completed_before = entry.run_count if entry.state_type == COMPLETED else 0
    run.custom_name = entry.name
    run.first_position = entry.state_count if same_attempt else 0
    run.child_flow_run_id = entry.child_flow_run_id


def _answer(x: TaskExecution, replay: ReplayIndex, entry: ReplayEntry) -> bool:
    name = entry.name or x.task.definition.name
    value = MISSING
    packed = replay.result(entry)
    if packed is not None:
        try:
            value = x.session.keeper.load(packed, entry.id, entry.run_count, replay.root_run_id)
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
    if replay.foreign:
        run.run_count = entry.run_count  # the result is signed for this count
        x.session.keeper.keep_task_result(x, value)
        replay.answered(run.execution_id, entry)
        run.end_time_us = now()
        run.history.append((COMPLETED, run.end_time_us, entry.state_name, "Taken from the run this one started from."))
        run.touch()
    else:
        continue_row(run, entry, replay.same_attempt)
        run.result = packed
        run.refused = True
        run.history.append((COMPLETED, now(), entry.state_name))
    x.session.links.note(value, run.id_bytes, run.execution_id, len(packed or b""))
    x.replayed = True
    return True


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
