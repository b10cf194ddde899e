"""Flow runs, as the API shows them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.pauses import PauseKind, PauseView
from dalsegno.model.records import EntryPoint, ProcessRecord
from dalsegno.model.resources.results import Result, to_result
from dalsegno.model.resources.states import State, to_state
from dalsegno.model.resources.values import as_json, read_json, to_id, to_optional_id, to_optional_time, to_time
from dalsegno.model.views import FlowRunView


class FlowRunProcess(msgspec.Struct, kw_only=True):
    """The operating system's process that executes, or executed, a run."""

    id: Annotated[uuid.UUID, Meta(description="Our own id of the process.")]
    host: Annotated[str, Meta(description="The name of its machine.")]
    pid: Annotated[int, Meta(description="Its number on that machine.")]
    user: Annotated[str, Meta(description="Who it runs as.")]
    command: Annotated[str, Meta(description="Its command line.")]


class FlowRunEntry(msgspec.Struct, kw_only=True):
    """How the flow is run again: where its code is and under what it ran."""

    entrypoint: Annotated[
        str | None, Meta(description="`path/to/file.py:function` or `package.module:function`; null: there is none.")
    ]
    working_directory: Annotated[str, Meta(description="The folder that it ran in.")]
    interpreter: Annotated[str, Meta(description="The Python that ran it.")]
    reason: Annotated[str | None, Meta(description="Why there is no entry point, where there is none.")] = None


class StateCounts(msgspec.Struct, kw_only=True):
    """How many runs there are, by state."""

    by_state_name: Annotated[dict[str, int], Meta(description="Name of state to number of runs.")]
    total: Annotated[int, Meta(description="The sum of them.")]
    at_least: Annotated[
        bool, Meta(description="Counting stopped at a bound: there are at least so many, of a state or in all.")
    ]


class FlowRunPause(msgspec.Struct, kw_only=True):
    """Something that a flow run waits for."""

    id: Annotated[uuid.UUID, Meta(description="Its id: that of the task run of the step that waits, if one does.")]
    flow_run_id: Annotated[uuid.UUID, Meta(description="The flow run that waits: this one, or one nested in it.")]
    kind: Annotated[
        PauseKind,
        Meta(description="`pause`: its process waits; `suspend`: it has no process; `sleep`: until a time, without."),
    ]
    key: Annotated[str | None, Meta(description="A name by which it is resumed where several wait.")]
    input_schema: Annotated[
        dict[str, Any] | None, Meta(description="The JSON schema of the input that is asked for; null: none is.")
    ]
    description: Annotated[str | None, Meta(description="What people are told of the input.")]
    begun: Annotated[datetime, Meta(description="Since when it waits.")]
    deadline: Annotated[
        datetime | None, Meta(description="When the run fails if nobody resumes it; of a sleep, when it goes on.")
    ]
    problem: Annotated[str | None, Meta(description="Why the input that it was given before could not be used.")]


class FlowRun(msgspec.Struct, kw_only=True):
    """A run of a flow."""

    id: Annotated[uuid.UUID, Meta(description="Its id, a UUID of version 7: ids are in order of time.")]
    name: Annotated[str, Meta(description="Its name, such as `brave-otter`.")]
    flow_name: Annotated[str, Meta(description="The flow that it is a run of.")]
    flow_version: Annotated[str | None, Meta(description="The flow's version, where it names one.")]
    state: Annotated[State, Meta(description="The state that it is in.")]
    attempt: Annotated[int, Meta(description="The attempt it is at, from 1; a retry opens the next.")]
    run_count: Annotated[int, Meta(description="How often its body was started.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    start_time: Annotated[datetime | None, Meta(description="When its body started.")]
    end_time: Annotated[datetime | None, Meta(description="When it ended.")]
    root_run_id: Annotated[uuid.UUID, Meta(description="The run that it is nested in, at the top; itself if in none.")]
    parent_flow_run_id: Annotated[uuid.UUID | None, Meta(description="The flow run that called it.")]
    parent_task_run_id: Annotated[
        uuid.UUID | None, Meta(description="The task run that stands for it in the flow run that called it.")
    ]
    forked_from: Annotated[uuid.UUID | None, Meta(description="The run whose completed tasks it started from.")]
    deployment_id: Annotated[uuid.UUID | None, Meta(description="The deployment that it was asked for as a run of.")]
    deployment_name: Annotated[
        str | None, Meta(description="The deployment's name; null: it is of none, or that was deleted.")
    ]
    tags: Annotated[list[str], Meta(description="Its tags.")]
    parameters: Annotated[Any, Meta(description="Its parameters by name; what is no JSON as text.")]
    states: Annotated[list[State] | None, Meta(description="All states that it was in; null in lists.")] = None
    flow_source_hash: Annotated[str | None, Meta(description="The hash of the flow's source.")] = None
    entry: Annotated[FlowRunEntry | None, Meta(description="How it is run again.")] = None
    process: Annotated[FlowRunProcess | None, Meta(description="Who executes it, or did so last; null in lists.")] = (
        None
    )
    result: Annotated[Result | None, Meta(description="What it returned; null in lists.")] = None
    task_run_counts: Annotated[
        StateCounts | None,
        Meta(description="How many task runs it has, those of nested flow runs not counted; null in lists."),
    ] = None
    pauses: Annotated[
        list[FlowRunPause] | None, Meta(description="What it waits for, until it is resumed; null in lists.")
    ] = None
    extra: Annotated[dict[str, Any], Meta(description="What else was noted of it.")] = {}


class FlowRunPage(msgspec.Struct, kw_only=True):
    """A page of flow runs."""

    items: Annotated[list[FlowRun], Meta(description="The runs, in the order that was asked for.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]
    complete: Annotated[
        bool,
        Meta(description="False: looking stopped at a bound before the page was full; go on with `next_cursor`."),
    ] = True


def to_flow_run(view: FlowRunView, counts: StateCounts | None = None) -> FlowRun:
    """Return a flow run of the store as the API shows it."""
    return FlowRun(
        id=to_id(view.id),
        name=view.name,
        flow_name=view.flow_name,
        flow_version=view.flow_version,
        state=to_state(view.state),
        attempt=view.attempt,
        run_count=view.run_count,
        created=to_time(view.created),
        start_time=to_optional_time(view.start_time),
        end_time=to_optional_time(view.end_time),
        root_run_id=to_id(view.root_run_id),
        parent_flow_run_id=to_optional_id(view.parent_flow_run_id),
        parent_task_run_id=to_optional_id(view.parent_task_run_id),
        forked_from=to_optional_id(view.forked_from),
        deployment_id=to_optional_id(view.deployment_id),
        deployment_name=view.deployment_name,
        tags=list(view.tags),
        parameters=read_json(view.parameters_text),
        states=None if view.states is None else [to_state(state) for state in view.states],
        flow_source_hash=view.flow_source_hash,
        entry=_entry(view.entry),
        process=_process(view.process),
        result=to_result(view.result),
        task_run_counts=counts,
        pauses=None if view.pauses is None else [_pause(pause) for pause in view.pauses],
        extra=as_json(view.extra),
    )


def to_state_counts(counts: dict[str, int], *, at_least: bool) -> StateCounts:
    """Return counts by name of state as the API shows them."""
    return StateCounts(by_state_name=counts, total=sum(counts.values()), at_least=at_least)


def _pause(pause: PauseView) -> FlowRunPause:
    return FlowRunPause(
        id=to_id(pause.id),
        flow_run_id=to_id(pause.flow_run_id),
        kind=pause.kind,
        key=pause.key,
        input_schema=read_json(pause.schema),
        description=pause.description,
        begun=to_time(pause.begun),
        deadline=to_optional_time(pause.deadline),
        problem=pause.problem,
    )


def _entry(entry: EntryPoint | None) -> FlowRunEntry | None:
    if entry is None:
        return None
    return FlowRunEntry(
        entrypoint=entry.entrypoint,
        working_directory=entry.working_directory,
        interpreter=entry.interpreter,
        reason=entry.reason,
    )


def _process(process: ProcessRecord | None) -> FlowRunProcess | None:
    if process is None:
        return None
    return FlowRunProcess(
        id=to_id(process.id), host=process.host, pid=process.pid, user=process.user, command=process.command
    )
