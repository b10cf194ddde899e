"""Carrying a scope to another process: what is sent of it, and how it is rebuilt there.

There, a session of the same attempt records what is logged and called; the records of the runs around stay where they
are written, and are read-only copies here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from dalsegno._backend.protocol import Backend
from dalsegno._engine import logs
from dalsegno._engine.context import FlowRunContext, Scope, TaskRunContext, current_tags, scope_of, tags_of
from dalsegno._engine.lineage import Replay
from dalsegno._engine.replay import ReplayIndex
from dalsegno._engine.runs import RUNNING, FlowRun, TaskRun, now
from dalsegno._engine.session import Session, journal_for
from dalsegno._engine.submission import Submissions

Packed = dict[str, Any]


def pack_scope(scope: Scope | None) -> Packed:
    """Return what rebuilds a scope elsewhere; its values must still be pickled."""
    if scope is None:
        return {"tags": current_tags()}
    flow_scope = scope.flow_scope
    return {
        "tags": current_tags(),
        "root": scope.session.root_run_id,
        "attempt": scope.session.attempt,
        "picks_up": flow_scope is not None
        and flow_scope.replay is not None
        and not flow_scope.replay.begins_anew(scope.scope_id),
        "task": _pack_task(scope) if isinstance(scope, TaskRunContext) else None,
        "flow": None if flow_scope is None else _pack_flow(flow_scope),
    }


def _pack_task(scope: TaskRunContext) -> Packed:
    run = scope.task_run
    return {
        "task": scope.task,
        "parameters": scope.parameters,
        "log_prints": scope.log_prints,
        "id": run.id_bytes,
        "definition": run.definition,
        "flow_run_id": run.flow_run_id_bytes,
        "parent_id": run.parent_task_run_id_bytes,
        "name": run.custom_name,
        "run_count": run.run_count,
        "completed_before": run.completed_before,
        "tags": run.run_tags,
    }


def _pack_flow(scope: FlowRunContext) -> Packed:
    run = scope.flow_run
    return {
        "flow": scope.flow,
        "parameters": scope.parameters,
        "log_prints": scope.log_prints,
        "persist_result": scope.persist_result,
        "id": run.id_bytes,
        "definition": run.definition,
        "name": run.name,
        "run_count": run.run_count,
        "parent_task_run_id": run.parent_task_run_id_bytes,
        "parent_flow_run_id": run.parent_flow_run_id_bytes,
        "tags": run.run_tags,
    }


@contextlib.contextmanager
def opened_scope(
    packed: Packed, connect: Callable[[], Backend], open_runner: Callable[[], Any], *, is_async: bool = False
) -> Generator[Scope | None]:
    """Stand in a scope that was carried here; at the end all that was logged and called in it is recorded."""
    if "root" not in packed:
        with tags_of(packed["tags"]):
            yield None
        return
    logs.ensure_logging()
    journal = journal_for(connect())
    session = Session(journal, packed["root"], attempt=packed["attempt"])
    journal.enter(session)
    submissions = Submissions(session, open_runner())
    scope = _rebuild(packed, session, submissions, is_async)
    try:
        with tags_of(packed["tags"]), scope_of(scope):
            yield scope
    except Exception:
        raise
    except BaseException as error:
        submissions.abandon(error)
        submissions.open_futures.clear()
        raise
    finally:
        for future in list(submissions.open_futures):
            future.wait()
        submissions.close()
        if not journal.idle:
            journal.barrier(durable=False)
        journal.leave(session)


def _rebuild(packed: Packed, session: Session, submissions: Submissions, is_async: bool) -> Scope:
    flow_scope = None if packed["flow"] is None else _rebuild_flow(packed, session, submissions, is_async)
    sent = packed["task"]
    if sent is None:
        assert flow_scope is not None
        return flow_scope
    run = TaskRun(sent["id"], session, sent["definition"], sent["flow_run_id"], sent["parent_id"])
    run.custom_name, run.run_count, run.run_tags = sent["name"], sent["run_count"], sent["tags"]
    run.completed_before = sent["completed_before"]
    run.refused = True
    run.history.append((RUNNING, now()))
    return TaskRunContext(
        session,
        sent["task"],
        run,
        sent["parameters"],
        is_async,
        flow_scope,
        sent["log_prints"],
        submissions,
        flow_scope,
    )


def _rebuild_flow(packed: Packed, session: Session, submissions: Submissions, is_async: bool) -> FlowRunContext:
    sent = packed["flow"]
    run = FlowRun(sent["id"], session, sent["definition"], sent["parameters"])
    run.name, run.run_tags, run.run_count = sent["name"], sent["tags"], sent["run_count"]
    run.parent_task_run_id_bytes = sent["parent_task_run_id"]
    run.parent_flow_run_id_bytes = sent["parent_flow_run_id"]
    run.refused = True
    run.history.append((RUNNING, now()))
    inner = packed["task"] or sent
    return FlowRunContext(
        session=session,
        flow=sent["flow"],
        flow_run=run,
        parameters=sent["parameters"],
        is_async=is_async,
        log_prints=sent["log_prints"],
        persist_result=sent["persist_result"],
        submissions=submissions,
        parent=None,
        replay=Replay(ReplayIndex(session.backend, session.root_run_id, within=inner["id"]))
        if packed["picks_up"]
        else None,
    )
