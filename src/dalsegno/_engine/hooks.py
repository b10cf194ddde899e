"""Hooks, which observe states, and state handlers, which may replace them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from dalsegno._engine import logs
from dalsegno._engine.context import Scope
from dalsegno._engine.runs import CANCELLED, COMPLETED, CRASHED, FAILED, FlowRun, TaskRun, full_entry
from dalsegno._engine.spec import FlowSpec, Hook, TaskSpec
from dalsegno._engine.state_details import details_of
from dalsegno._engine.states import MISSING, State, engine_state, raw_data
from dalsegno._engine.steps import Invoke, Life


def for_state(spec: TaskSpec | FlowSpec, code: int) -> Sequence[Hook]:
    """Return the hooks of a final state."""
    if code == COMPLETED:
        return spec.on_completion_hooks
    if code == FAILED:
        return spec.on_failure_hooks
    if code == CANCELLED:
        return spec.on_cancellation_hooks
    return spec.on_crashed_hooks if code == CRASHED else ()


def call_all(fns: Sequence[Hook], spec: Any, run: TaskRun | FlowRun, scope: Scope | None) -> Life:
    """Call hooks in order, with (task or flow, run, state). One that fails is logged; the others still run."""
    for fn in fns:
        try:
            yield Invoke(fn, (spec, run, run.state), scope)
        except Exception as error:
            name = getattr(fn, "__name__", repr(fn))
            logs.write(run, logging.ERROR, "The hook %r failed: %r", name, error, exc_info=error)


def change_state(spec: Any, run: TaskRun | FlowRun, entry: tuple[Any, ...], data: Any) -> Life:
    """Go to the next state as the state handlers want it: each is called with (object, old, new) in order."""
    code, stamp, name, message, details = full_entry(entry)
    old = run.state
    proposed = engine_state(code, stamp, name, message, data, details_of(details))
    proposed.execution_id = run.execution_id
    new: State[Any] = proposed
    for handler in spec.state_handlers:
        try:
            wanted = yield Invoke(handler, (spec, old, new), None)
        except Exception as error:
            logs.write(run, logging.ERROR, "A state handler failed: %r", error, exc_info=error)
            continue
        if isinstance(wanted, State):
            new = cast("State[Any]", wanted)
    if new is proposed:
        run.value = data
        run.history.append(entry)
        run.touch()
    else:
        run.set_state(new, raw_data(new) if new.has_data else (data if new.type is proposed.type else MISSING))
