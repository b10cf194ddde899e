"""The page of one task run: how it stands, what it needed, and what it gave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.as_json import result_to_json
from dalsegno.cli.flow_run_page import moment
from dalsegno.cli.looks import state_text
from dalsegno.cli.run_tables import took
from dalsegno.cli.screen import Screen, cut
from dalsegno.cli.tables import page
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page, RunFilter, TaskRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

LONGEST = 2000
UPSTREAM_SHOWN = 20


def task_run_page(backend: Backend, run: TaskRunView, screen: Screen) -> str:
    """Return the page of a task run as text."""
    at = times.now()
    superseded = run.superseded_by
    return page(
        [
            ("Task run", run.name),
            ("ID", id_text(run.id)),
            ("Task", f"{run.task_name} (version {run.task_version})" if run.task_version else run.task_name),
            ("Task key", run.task_key),
            ("State", state_text(run.state, screen)),
            ("Message", run.state.message and cut(run.state.message, LONGEST)),
            ("Created", moment(run.created, at)),
            ("Started", moment(run.start_time, at)),
            ("Ended", moment(run.end_time, at)),
            ("Took", took(run, at)),
            ("Attempt", str(run.attempt) if run.attempt > 1 else None),
            ("Runs", str(run.run_count)),
            ("Tags", ", ".join(run.tags)),
            ("Flow run", flow_run_text(backend, run)),
            ("Called by", id_text(run.parent_task_run_id) if run.parent_task_run_id else None),
            ("Stands for", f"flow run {id_text(run.child_flow_run_id)}" if run.child_flow_run_id else None),
            ("Needed", upstream_text(backend, run)),
            ("Result", result_text(run.result)),
            ("Superseded", f"attempt {superseded} did not call it again" if superseded else None),
        ]
    )


def flow_run_text(backend: Backend, run: TaskRunView) -> str | None:
    if run.flow_run_id is None:
        return None
    flow_run = backend.read_flow_run(run.flow_run_id)
    name = f"{flow_run.name}  " if flow_run else ""
    return name + id_text(run.flow_run_id)


def upstream_text(backend: Backend, run: TaskRunView) -> str | None:
    """Return the task runs whose results went into it, by parameter."""
    shown = run.upstream[:UPSTREAM_SHOWN]
    found = backend.list_task_runs(RunFilter(ids=[id for _, id in shown]), Page()) if shown else []
    names = {upstream.id: upstream.name for upstream in found}
    lines = [f"{parameter}: {names.get(id, '')} {id_text(id)}" for parameter, id in shown]
    more = len(run.upstream) - len(shown)
    return "\n".join([*lines, f"... and {more} more"] if more else lines)


def result_text(packed: bytes | None) -> str | None:
    """Return a result as JSON, or where it is kept."""
    found = result_to_json(packed)
    if found is None:
        return None
    if "value" in found:
        return cut(json.dumps(found["value"], ensure_ascii=False), LONGEST)
    return f"{found['size']:,} bytes, as {found['serializer']}, in {found['stored']}"
