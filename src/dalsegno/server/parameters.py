"""The parameters of queries that several lists share: the filters of runs, and where a page begins.

They are given as dependencies: a handler names `filter` or `paging`, and the OpenAPI document lists what they read.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar.di import Provide
from litestar.params import PathParameter, QueryParameter

from dalsegno.model.ids import parse_id
from dalsegno.model.resources.commands import LONGEST_CURSOR, MOST_ITEMS, Order
from dalsegno.model.resources.filters import LONGEST_TEXT, MOST_IDS, MOST_VALUES, FlowRunFilter, TaskRunFilter
from dalsegno.model.states import StateType
from dalsegno.model.views import Page
from dalsegno.server.cursors import read_cursor


class Paging(msgspec.Struct, frozen=True):
    """Where a page begins and how long it is."""

    limit: int
    cursor: str | None
    order: Order

    def page(self, kind: str) -> Page:
        """Return the page of a list whose cursors hold an id."""
        return page_of(kind, self.limit, self.cursor, self.order)


def page_of(kind: str, limit: int, cursor: str | None, order: Order) -> Page:
    """Return the page of a list whose cursors hold an id. Raises InvalidValue."""
    after = read_cursor(kind, cursor, uuid.UUID)
    return Page(limit=limit, after=None if after is None else parse_id(after), oldest_first=order is Order.OLDEST)


def texts(name: str, description: str) -> Any:
    """Return what is known of a parameter that holds texts."""
    return QueryParameter(name=name, description=description, max_items=MOST_VALUES)


def _text(name: str, description: str) -> Any:
    return QueryParameter(name=name, description=description, max_length=LONGEST_TEXT)


def _ids(name: str, description: str, most: int = MOST_VALUES) -> Any:
    return QueryParameter(name=name, description=description, max_items=most)


def _other(name: str, description: str) -> Any:
    return QueryParameter(name=name, description=description)


Id = Annotated[uuid.UUID, PathParameter(description="The id.")]
Name = Annotated[str, PathParameter(description="The name.")]
IdList = list[uuid.UUID] | None
TextList = list[str] | None
StateTypeList = list[StateType] | None
Time = datetime | None

CursorParameter = Annotated[
    str | None,
    QueryParameter(name="cursor", description="`next_cursor` of the page before.", max_length=LONGEST_CURSOR),
]
LimitParameter = Annotated[int, QueryParameter(name="limit", description="How many at most.", ge=1, le=MOST_ITEMS)]
OrderParameter = Annotated[Order, QueryParameter(name="order", description="Which end comes first.")]
_Prefix = Annotated[
    str | None, QueryParameter(name="id-prefix", description="The id begins so.", pattern="^[0-9a-fA-F-]{1,36}$")
]


def paging(limit: LimitParameter = 50, cursor: CursorParameter = None, order: OrderParameter = Order.NEWEST) -> Paging:
    """Read where a page begins."""
    return Paging(limit, cursor, order)


def flow_run_filter(
    id: Annotated[IdList, _ids("id", "One of these; may be repeated.", MOST_IDS)] = None,
    id_prefix: _Prefix = None,
    name: Annotated[str | None, _text("name", "Exactly this name.")] = None,
    name_prefix: Annotated[str | None, _text("name-prefix", "The name begins so.")] = None,
    name_like: Annotated[str | None, _text("name-like", "The name holds this, whatever its case.")] = None,
    flow_name: Annotated[TextList, texts("flow-name", "A run of one of these flows; may be repeated.")] = None,
    parent_flow_run_id: Annotated[IdList, _ids("parent-flow-run-id", "Called by one of these flow runs.")] = None,
    root_run_id: Annotated[IdList, _ids("root-run-id", "One of these root runs, or nested in one.")] = None,
    deployment_id: Annotated[IdList, _ids("deployment-id", "A run of one of these deployments.")] = None,
    state_type: Annotated[StateTypeList, _other("state-type", "In a state of one of these types.")] = None,
    state_name: Annotated[TextList, texts("state-name", "In a state of one of these names.")] = None,
    tag: Annotated[TextList, texts("tag", "With all of these tags.")] = None,
    created_after: Annotated[Time, _other("created-after", "Made then or later.")] = None,
    created_before: Annotated[Time, _other("created-before", "Made earlier.")] = None,
    started_after: Annotated[Time, _other("started-after", "Started then or later.")] = None,
    started_before: Annotated[Time, _other("started-before", "Started earlier.")] = None,
    top_level: Annotated[bool, _other("top-level", "Only runs that no other flow run called.")] = False,
) -> FlowRunFilter:
    """Read which flow runs a list shows."""
    return FlowRunFilter(
        ids=id or [],
        id_prefix=id_prefix,
        name=name,
        name_prefix=name_prefix,
        name_like=name_like,
        flow_names=flow_name or [],
        parent_flow_run_ids=parent_flow_run_id or [],
        root_run_ids=root_run_id or [],
        deployment_ids=deployment_id or [],
        state_types=state_type or [],
        state_names=state_name or [],
        tags=tag or [],
        created_after=created_after,
        created_before=created_before,
        started_after=started_after,
        started_before=started_before,
        top_level=top_level,
    )


def task_run_filter(
    id: Annotated[IdList, _ids("id", "One of these; may be repeated.", MOST_IDS)] = None,
    id_prefix: _Prefix = None,
    name: Annotated[str | None, _text("name", "Exactly this name.")] = None,
    name_prefix: Annotated[str | None, _text("name-prefix", "The name begins so.")] = None,
    name_like: Annotated[str | None, _text("name-like", "The name holds this, whatever its case.")] = None,
    task_name: Annotated[TextList, texts("task-name", "A run of one of these tasks; may be repeated.")] = None,
    flow_name: Annotated[TextList, texts("flow-name", "Called in a run of one of these flows.")] = None,
    flow_run_id: Annotated[IdList, _ids("flow-run-id", "Called in one of these flow runs.")] = None,
    parent_task_run_id: Annotated[IdList, _ids("parent-task-run-id", "Called by one of these task runs.")] = None,
    root_run_id: Annotated[IdList, _ids("root-run-id", "Of one of these root runs, nested flow runs included.")] = None,
    state_type: Annotated[StateTypeList, _other("state-type", "In a state of one of these types.")] = None,
    state_name: Annotated[TextList, texts("state-name", "In a state of one of these names.")] = None,
    tag: Annotated[TextList, texts("tag", "With all of these tags.")] = None,
    created_after: Annotated[Time, _other("created-after", "Called then or later.")] = None,
    created_before: Annotated[Time, _other("created-before", "Called earlier.")] = None,
    started_after: Annotated[Time, _other("started-after", "Started then or later.")] = None,
    started_before: Annotated[Time, _other("started-before", "Started earlier.")] = None,
    top_level: Annotated[bool, _other("top-level", "Only runs that no other task run called.")] = False,
    include_superseded: Annotated[
        bool, _other("include-superseded", "Also runs that the last attempt did not come to again.")
    ] = True,
) -> TaskRunFilter:
    """Read which task runs a list shows."""
    return TaskRunFilter(
        ids=id or [],
        id_prefix=id_prefix,
        name=name,
        name_prefix=name_prefix,
        name_like=name_like,
        task_names=task_name or [],
        flow_names=flow_name or [],
        flow_run_ids=flow_run_id or [],
        parent_task_run_ids=parent_task_run_id or [],
        root_run_ids=root_run_id or [],
        state_types=state_type or [],
        state_names=state_name or [],
        tags=tag or [],
        created_after=created_after,
        created_before=created_before,
        started_after=started_after,
        started_before=started_before,
        top_level=top_level,
        include_superseded=include_superseded,
    )


PAGING = {"paging": Provide(paging, sync_to_thread=False)}
OF_FLOW_RUNS = {"filter": Provide(flow_run_filter, sync_to_thread=False)}
OF_TASK_RUNS = {"filter": Provide(task_run_filter, sync_to_thread=False)}
