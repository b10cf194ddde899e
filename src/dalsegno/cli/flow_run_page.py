"""The page of one flow run: how it stands, what went wrong, and the command that goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.looks import state_text
from dalsegno.cli.run_tables import took
from dalsegno.cli.screen import Screen, cut
from dalsegno.cli.tables import page
from dalsegno.model.ids import id_text
from dalsegno.model.pauses import PauseView
from dalsegno.model.records import EntryPoint, ProcessRecord
from dalsegno.model.states import STATE_CODES, StateRecord, StateType
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

FAILED = [STATE_CODES[StateType.FAILED], STATE_CODES[StateType.CRASHED]]
FAILED_SHOWN = 10
CAN_RETRY = {StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}
LONGEST = 2000


def flow_run_page(backend: Backend, run: FlowRunView, screen: Screen) -> str:
    """Return the page of a flow run as text."""
    at = times.now()
    parts = [
        page(
            [
                ("Flow run", run.name),
                ("ID", id_text(run.id)),
                ("Flow", flow_text(run)),
                ("State", state_text(run.state, screen)),
                ("Message", run.state.message),
                ("Created", moment(run.created, at)),
                ("Started", moment(run.start_time, at)),
                ("Ended", moment(run.end_time, at)),
                ("Took", took(run, at)),
                ("Attempt", str(run.attempt) if run.attempt > 1 else None),
                ("Runs", str(run.run_count) if run.run_count > 1 else None),
                ("Tags", ", ".join(run.tags)),
                ("Parent", id_text(run.parent_flow_run_id) if run.parent_flow_run_id else None),
                ("Started from", id_text(run.forked_from) if run.forked_from else None),
                ("Deployment", f"{run.flow_name}/{run.deployment_name}" if run.deployment_name else None),
                ("Waits because", "\n".join(wait_reasons(backend, run))),
                ("Waits for", pauses_text(run.pauses or [], at) if run.state.type is StateType.PAUSED else None),
                ("Parameters", parameters_text(run.parameters_text)),
                ("Task runs", counts_text(run.task_run_counts or {})),
                ("Entry point", entry_text(run.entry)),
                ("Process", process_text(run.process)),
            ]
        ),
        failures_text(failed_task_runs(backend, run), screen),
        next_step(run),
    ]
    return "\n\n".join(part for part in parts if part)


def wait_reasons(backend: Backend, run: FlowRunView) -> list[str]:
    """Return why a run that is Scheduled waits, the most important reason first."""
    return backend.explain_wait(run.id).reasons if run.state.type is StateType.SCHEDULED else []


def flow_text(run: FlowRunView) -> str:
    return f"{run.flow_name} (version {run.flow_version})" if run.flow_version else run.flow_name


def moment(time: int | None, at: int) -> str | None:
    """Return a time both ways: ``"2026-01-31 09:00:00.250 (5 min ago)"``."""
    return None if time is None else f"{times.clock(time)} ({times.ago(time, at)})"


def parameters_text(text: str | None) -> str | None:
    """Return parameters one to a line, or as they are if they are no JSON object."""
    if not text or text == "{}":
        return None
    import json

    try:
        values = json.loads(text)
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    except (ValueError, AttributeError):
        return cut(text, LONGEST)
    return "\n".join(cut(line, LONGEST) for line in lines)


def pauses_text(pauses: Sequence[PauseView], at: int) -> str | None:
    """Return what a run waits for: each pause with its key, its end, and the fields of the input that it asks for."""
    return "\n".join(line for pause in pauses for line in _pause_lines(pause, at)) or None


def _pause_lines(pause: PauseView, at: int) -> list[str]:
    name = "" if pause.key is None else f" (key {pause.key!r})"
    until = "" if pause.deadline is None else f", until {times.clock(pause.deadline)}"
    if pause.kind == "sleep":
        return [f"a time{until}"]
    lines = [f"somebody{name}, since {times.ago(pause.begun, at)}{until}"]
    if pause.description:
        lines += [f"  {line}" for line in cut(pause.description, LONGEST).splitlines()]
    lines += [f"  {field}" for field in input_fields(pause)]
    if pause.problem:
        lines.append(f"  an earlier input could not be used: {cut(pause.problem, LONGEST)}")
    return lines


def input_fields(pause: PauseView) -> list[str]:
    """Return the fields of the input that a pause asks for: ``"approved: boolean"``."""
    if pause.schema is None:
        return []
    import json

    schema = json.loads(pause.schema)
    needed = schema.get("required", [])
    return [
        f"{name}: {rules.get('type', 'value')}{'' if name in needed else ' (may be left out)'}"
        for name, rules in schema.get("properties", {}).items()
    ]


def counts_text(counts: dict[str, int]) -> str:
    """Return numbers of task runs by state, the most first: ``"16 Completed, 1 Failed"``."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {name}" for name, number in order)


def entry_text(entry: EntryPoint | None) -> str | None:
    if entry is None:
        return None
    where = entry.entrypoint or f"none: {entry.reason or 'it was not called from a file or module'}"
    return f"{where}\nin {entry.working_directory}\nwith {entry.interpreter}"


def process_text(process: ProcessRecord | None) -> str | None:
    if process is None:
        return None
    return f"{process.pid} on {process.host}, as {process.user}\n{process.command}"


def failed_task_runs(backend: Backend, run: FlowRunView) -> list[TaskRunView]:
    """Return the newest task runs that failed or crashed; of a whole tree, if the run is its root."""
    filter = RunFilter(state_types=FAILED, include_superseded=False)
    if run.id == run.root_run_id:
        filter.root_run_ids = [run.id]
    else:
        filter.flow_run_ids = [run.id]
    return backend.list_task_runs(filter, Page(limit=FAILED_SHOWN + 1))


def failures_text(failed: Sequence[TaskRunView], screen: Screen) -> str:
    """Return a paragraph on the task runs that failed."""
    if not failed:
        return ""
    lines = [screen.paint("Failed task runs:", "bold")]
    for run in failed[:FAILED_SHOWN]:
        lines.append(f"  {state_text(run.state, screen)}  {run.name}  {id_text(run.id)}")
        lines += [f"      {line}" for line in first_lines(run.state)]
    if len(failed) > FAILED_SHOWN:
        root = id_text(failed[0].root_run_id)
        lines.append(f"  ... more: `dalsegno task-run ls --flow-run {root} --state failed --all`")
    return "\n".join(lines)


def first_lines(state: StateRecord, count: int = 3) -> list[str]:
    """Return the first lines of a state's message."""
    return [cut(line, LONGEST) for line in (state.message or "").splitlines()[:count]]


def next_step(run: FlowRunView) -> str:
    """Return what can be done about a run that did not complete."""
    if run.state.type is StateType.PAUSED:
        return f"Have it go on:\n  {resume_command(run)}"
    if run.state.type not in CAN_RETRY:
        return ""
    if run.entry is not None and run.entry.entrypoint is None:
        return ""
    if run.id != run.root_run_id:
        return f"Retry it with the run that it belongs to:\n  {retry_command(run.root_run_id)}"
    return f"Retry it from where it broke:\n  {retry_command(run.id)}"


def resume_command(run: FlowRunView) -> str:
    """Return the command line that resumes a flow run, with what it asks for."""
    asking = [pause for pause in run.pauses or () if pause.schema is not None]
    words = ["dalsegno flow-run resume", id_text(run.id)]
    if len(asking) == 1:
        words += [f"--input {quote(field.split(':')[0])}=..." for field in input_fields(asking[0])]
    return " ".join(words)


def retry_command(id: bytes, *options: str) -> str:
    """Return the command line that retries a flow run."""
    return " ".join(["dalsegno flow-run retry", id_text(id), *map(quote, options)])
