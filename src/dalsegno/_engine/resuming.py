"""Executions that start from what was recorded: another attempt of a run, or a new run that begins with its results."""

from __future__ import annotations

from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import logs
from dalsegno._engine.entrypoints import script_of
from dalsegno._engine.flow_life import FlowExecution
from dalsegno._engine.lineage import STARTED_WITH, Replay, replay_for_fork, replay_of, started_with
from dalsegno._engine.replay import ReplayIndex, RerunPolicy
from dalsegno._engine.runs import PENDING, FlowRun, now
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.spec import FlowSpec
from dalsegno._processes import current_process
from dalsegno.exceptions import CannotResume, DalsegnoException, ObjectNotFound
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.views import FlowRunView, OpenRun


def resumed_execution(backend: Backend, flow: FlowSpec, view: FlowRunView, policy: RerunPolicy | None) -> FlowExecution:
    """Open the next attempt of a root flow run. Without a policy nothing of the earlier ones is used."""
    logs.ensure_logging()
    journal_for(backend).catch_up()
    parameters = recorded_parameters(backend, view)
    replay = None if policy is None else _with_known_names(replay_of(backend, view, policy), view)
    given_up = ReplayIndex(backend, view.id).untaken() if policy is None else None
    opened = backend.open_run(OpenRun(flow_run_id=view.id, process=current_process(), only_from_attempt=view.attempt))
    return _execution(backend, flow, view, parameters, replay, opened.attempt, given_up=given_up)


def claimed_execution(backend: Backend, flow: FlowSpec, view: FlowRunView, attempt: int) -> FlowExecution:
    """Begin an attempt of a root flow run that was claimed: from where an earlier one broke, if there was one."""
    logs.ensure_logging()
    parameters = recorded_parameters(backend, view)
    replay = replay_of(backend, view, RerunPolicy()) if view.run_count else None
    x = _execution(backend, flow, view, parameters, replay, attempt)
    x.session.claimed = True
    return x


def _execution(
    backend: Backend,
    flow: FlowSpec,
    view: FlowRunView,
    parameters: dict[str, Any],
    replay: Replay | None,
    attempt: int,
    *,
    given_up: set[bytes] | None = None,
) -> FlowExecution:
    session = Session(journal_for(backend), view.id, attempt=attempt)
    session.keeper.script = script_of(view.entry)
    run = FlowRun(view.id, session, flow.definition, parameters)
    run.name = view.name
    run.run_count = view.run_count
    run.run_tags = frozenset(view.tags)
    run.entry = view.entry
    run.forked_from = view.forked_from
    run.start_time_us = view.start_time
    run.extra = dict(view.extra) or None
    run.history.append((PENDING, now()))
    if given_up is not None:
        # Else the rows that are there would answer the next attempt, and not what runs now.
        session.journal.supersede(view.id, list(given_up))
        if view.forked_from is not None:
            run.note(STARTED_WITH, started_with(None))
    return FlowExecution(flow, parameters, session, run=run, replay=replay)


def fork_execution(
    backend: Backend, flow: FlowSpec, view: FlowRunView, changes: dict[str, Any], policy: RerunPolicy | None
) -> FlowExecution:
    """Begin a new root flow run whose calls are answered by what another run completed."""
    logs.ensure_logging()
    journal_for(backend).catch_up()
    parameters = flow.plan.with_defaults({**recorded_parameters(backend, view), **changes})
    session = Session(journal_for(backend), new_id())
    session.keeper.script = script_of(view.entry)
    replay = None
    if policy is not None:
        replay = _with_known_names(replay_for_fork(backend, view, session.root_run_id, policy), view)
    x = FlowExecution(flow, parameters, session, replay=replay)
    x.run.entry = view.entry
    x.run.forked_from = view.id
    x.run.note(STARTED_WITH, started_with(policy))
    return x


def recorded_parameters(backend: Backend, view: FlowRunView) -> dict[str, Any]:
    """Return the parameters of a run. Raises CannotResume if they could not be stored."""
    if view.parameters is None:
        why = view.extra.get("parameters", "they were not recorded")
        raise CannotResume(
            f"The parameters of flow run {view.name!r} are not to be had: {why}. Run the flow anew, with parameters."
        )
    keeper = Session(journal_for(backend), view.id).keeper
    keeper.script = script_of(view.entry)
    try:
        return keeper.load(view.parameters, view.id, 0)
    except DalsegnoException as error:
        raise CannotResume(f"The parameters of flow run {view.name!r} cannot be loaded: {error}") from error


def _with_known_names(replay: Replay, view: FlowRunView) -> Replay:
    unknown = replay.unknown_names()
    if unknown:
        known = ", ".join(sorted(replay.task_names())[:20]) or "none"
        raise ObjectNotFound(
            f"Flow run {view.name!r} ({id_text(view.id)}) has no task or task run {', '.join(sorted(unknown))}. "
            f"Its tasks: {known}."
        )
    return replay
