"""Task runs, as the API shows them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.resources.results import Result, to_result
from dalsegno.model.resources.states import State, to_state
from dalsegno.model.resources.values import as_json, to_id, to_optional_id, to_optional_time, to_time
from dalsegno.model.views import TaskRunView


class Upstream(msgspec.Struct, kw_only=True):
    """A task run whose result another one needed."""

    parameter: Annotated[str, Meta(description="The parameter that took it, or `wait_for`.")]
    task_run_id: Annotated[uuid.UUID, Meta(description="The task run, or the flow run that is nested.")]


class TaskRun(msgspec.Struct, kw_only=True):
    """A run of a task."""

    id: Annotated[uuid.UUID, Meta(description="Its id, a UUID of version 7: ids are in order of time.")]
    name: Annotated[str, Meta(description="Its name, such as `clean-9f5`.")]
    task_name: Annotated[str, Meta(description="The task that it is a run of.")]
    task_key: Annotated[str, Meta(description="What the task is known by across edits: module and qualified name.")]
    task_version: Annotated[str | None, Meta(description="The task's version, where it names one.")]
    state: Annotated[State, Meta(description="The state that it is in.")]
    attempt: Annotated[int, Meta(description="The attempt of the root flow run that it last took part in.")]
    run_count: Annotated[int, Meta(description="How often its body was started, over all attempts.")]
    created: Annotated[datetime, Meta(description="When it was called.")]
    start_time: Annotated[datetime | None, Meta(description="When its body started.")]
    end_time: Annotated[datetime | None, Meta(description="When it ended.")]
    flow_run_id: Annotated[uuid.UUID | None, Meta(description="The flow run that it belongs to; null outside flows.")]
    root_run_id: Annotated[uuid.UUID, Meta(description="The run at the top; itself outside flows.")]
    parent_task_run_id: Annotated[uuid.UUID | None, Meta(description="The task run that called it, where one did.")]
    child_flow_run_id: Annotated[
        uuid.UUID | None, Meta(description="The nested flow run that it stands for, where it stands for one.")
    ]
    tags: Annotated[list[str], Meta(description="Its tags, those of its task included.")]
    upstream: Annotated[list[Upstream], Meta(description="What it needed.")]
    superseded_by: Annotated[
        int | None, Meta(description="The attempt whose body ended without coming to this call again.")
    ] = None
    states: Annotated[list[State] | None, Meta(description="All states that it was in; null in lists.")] = None
    source_hash: Annotated[str | None, Meta(description="The hash of the task's source.")] = None
    result: Annotated[Result | None, Meta(description="What it returned; null in lists.")] = None
    extra: Annotated[dict[str, Any], Meta(description="What else was noted of it.")] = {}


class TaskRunPage(msgspec.Struct, kw_only=True):
    """A page of task runs."""

    items: Annotated[list[TaskRun], Meta(description="The runs, in the order that was asked for.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]
    complete: Annotated[
        bool,
        Meta(description="False: looking stopped at a bound before the page was full; go on with `next_cursor`."),
    ] = True


def to_task_run(view: TaskRunView) -> TaskRun:
    """Return a task run of the store as the API shows it."""
    return TaskRun(
        id=to_id(view.id),
        name=view.name,
        task_name=view.task_name,
        task_key=view.task_key,
        task_version=view.task_version,
        state=to_state(view.state),
        attempt=view.attempt,
        run_count=view.run_count,
        created=to_time(view.created),
        start_time=to_optional_time(view.start_time),
        end_time=to_optional_time(view.end_time),
        flow_run_id=to_optional_id(view.flow_run_id),
        root_run_id=to_id(view.root_run_id),
        parent_task_run_id=to_optional_id(view.parent_task_run_id),
        child_flow_run_id=to_optional_id(view.child_flow_run_id),
        tags=list(view.tags),
        upstream=[Upstream(parameter=name, task_run_id=to_id(id)) for name, id in view.upstream],
        superseded_by=view.superseded_by,
        states=None if view.states is None else [to_state(state) for state in view.states],
        source_hash=view.source_hash,
        result=to_result(view.result),
        extra=as_json(view.extra),
    )
