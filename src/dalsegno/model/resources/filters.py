"""Which runs a list shows: typed, and the same in the body of a request and in its query."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import from_optional_time
from dalsegno.model.states import STATE_CODES, StateType
from dalsegno.model.views import RunFilter

MOST_IDS = 200
MOST_VALUES = 20
LONGEST_TEXT = 1_000

Ids = Annotated[list[uuid.UUID], Meta(max_length=MOST_IDS)]
FewIds = Annotated[list[uuid.UUID], Meta(max_length=MOST_VALUES)]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Texts = Annotated[list[Text], Meta(max_length=MOST_VALUES)]
Prefix = Annotated[str, Meta(pattern="^[0-9a-fA-F-]{1,36}$")]


class FlowRunFilter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which flow runs; what is left out, null or empty does not restrict."""

    ids: Annotated[Ids, Meta(description="One of these.")] = []
    id_prefix: Annotated[Prefix | None, Meta(description="The id begins so.")] = None
    name: Annotated[Text | None, Meta(description="Exactly this name.")] = None
    name_prefix: Annotated[Text | None, Meta(description="The name begins so.")] = None
    name_like: Annotated[
        Text | None, Meta(description="The name holds this, whatever its case.", examples=["otter"])
    ] = None
    flow_names: Annotated[
        Texts, Meta(description="A run of one of these flows.", examples=[["nightly", "hourly"]])
    ] = []
    parent_flow_run_ids: Annotated[FewIds, Meta(description="Called by one of these flow runs.")] = []
    root_run_ids: Annotated[FewIds, Meta(description="One of these root runs, or nested in one.")] = []
    deployment_ids: Annotated[FewIds, Meta(description="A run of one of these deployments.")] = []
    state_types: Annotated[
        list[StateType],
        Meta(max_length=MOST_VALUES, description="In a state of one of these types.", examples=[["FAILED", "CRASHED"]]),
    ] = []
    state_names: Annotated[Texts, Meta(description="In a state of one of these names.", examples=[["TimedOut"]])] = []
    tags: Annotated[Texts, Meta(description="With all of these tags.", examples=[["eu"]])] = []
    created_after: Annotated[
        datetime | None, Meta(description="Made then or later.", examples=["2026-11-25T08:00:00Z"])
    ] = None
    created_before: Annotated[datetime | None, Meta(description="Made earlier.")] = None
    started_after: Annotated[datetime | None, Meta(description="Started then or later.")] = None
    started_before: Annotated[datetime | None, Meta(description="Started earlier.")] = None
    top_level: Annotated[bool, Meta(description="Only runs that no other flow run called.")] = False


class TaskRunFilter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which task runs; what is left out, null or empty does not restrict."""

    ids: Annotated[Ids, Meta(description="One of these.")] = []
    id_prefix: Annotated[Prefix | None, Meta(description="The id begins so.")] = None
    name: Annotated[Text | None, Meta(description="Exactly this name.")] = None
    name_prefix: Annotated[Text | None, Meta(description="The name begins so.")] = None
    name_like: Annotated[
        Text | None, Meta(description="The name holds this, whatever its case.", examples=["otter"])
    ] = None
    task_names: Annotated[Texts, Meta(description="A run of one of these tasks.", examples=[["load"]])] = []
    flow_names: Annotated[
        Texts, Meta(description="Called in a run of one of these flows.", examples=[["nightly", "hourly"]])
    ] = []
    flow_run_ids: Annotated[FewIds, Meta(description="Called in one of these flow runs, nested ones not counted.")] = []
    parent_task_run_ids: Annotated[FewIds, Meta(description="Called by one of these task runs.")] = []
    root_run_ids: Annotated[FewIds, Meta(description="Of one of these root runs, nested flow runs included.")] = []
    state_types: Annotated[
        list[StateType],
        Meta(max_length=MOST_VALUES, description="In a state of one of these types.", examples=[["FAILED", "CRASHED"]]),
    ] = []
    state_names: Annotated[Texts, Meta(description="In a state of one of these names.", examples=[["TimedOut"]])] = []
    tags: Annotated[Texts, Meta(description="With all of these tags.", examples=[["eu"]])] = []
    created_after: Annotated[datetime | None, Meta(description="Called then or later.")] = None
    created_before: Annotated[datetime | None, Meta(description="Called earlier.")] = None
    started_after: Annotated[datetime | None, Meta(description="Started then or later.")] = None
    started_before: Annotated[datetime | None, Meta(description="Started earlier.")] = None
    top_level: Annotated[bool, Meta(description="Only runs that no other task run called.")] = False
    include_superseded: Annotated[
        bool, Meta(description="Also runs of earlier attempts that the last one did not come to again.")
    ] = True


def from_flow_run_filter(filter: FlowRunFilter) -> RunFilter:
    """Return a filter as the store reads it."""
    found = _common(filter)
    found.flow_run_ids = _ids(filter.parent_flow_run_ids)
    found.deployment_ids = _ids(filter.deployment_ids)
    return found


def from_task_run_filter(filter: TaskRunFilter) -> RunFilter:
    """Return a filter as the store reads it."""
    found = _common(filter)
    found.task_names = filter.task_names
    found.flow_run_ids = _ids(filter.flow_run_ids)
    found.parent_task_run_ids = _ids(filter.parent_task_run_ids)
    found.include_superseded = filter.include_superseded
    return found


def _common(filter: FlowRunFilter | TaskRunFilter) -> RunFilter:
    return RunFilter(
        ids=_ids(filter.ids),
        id_prefix=filter.id_prefix,
        name=filter.name,
        name_prefix=filter.name_prefix,
        name_like=filter.name_like,
        flow_names=filter.flow_names,
        root_run_ids=_ids(filter.root_run_ids),
        state_types=[STATE_CODES[type_] for type_ in filter.state_types],
        state_names=filter.state_names,
        tags=filter.tags,
        after=from_optional_time(filter.created_after),
        before=from_optional_time(filter.created_before),
        started_after=from_optional_time(filter.started_after),
        started_before=from_optional_time(filter.started_before),
        top_level=filter.top_level,
    )


def _ids(ids: list[uuid.UUID]) -> list[bytes]:
    return [id.bytes for id in ids]
