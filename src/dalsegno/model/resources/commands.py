"""What people ask to be done to runs: one at a time, and many that a filter describes."""

from __future__ import annotations

import enum
import uuid
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dalsegno.model.resources.filters import FlowRunFilter, Ids, TaskRunFilter
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.model.resources.states import State
from dalsegno.model.states import StateType

MOST_ITEMS = 200
LONGEST_CURSOR = 1_000

Cursor = Annotated[str, Meta(max_length=LONGEST_CURSOR)]
Limit = Annotated[int, Meta(ge=1, le=MOST_ITEMS)]
StateName = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(max_length=200)]
Message = Annotated[str, Meta(max_length=10_000)]


class Order(str, enum.Enum):
    """Which end of a list comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"


class FlowRunSearch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a page of flow runs."""

    filter: Annotated[FlowRunFilter, Meta(description="Which runs.")] = msgspec.field(default_factory=FlowRunFilter)
    limit: Annotated[Limit, Meta(description="How many at most.")] = 50
    cursor: Annotated[Cursor | None, Meta(description="`next_cursor` of the page before.")] = None
    order: Annotated[Order, Meta(description="Which end comes first.")] = Order.NEWEST


class TaskRunSearch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a page of task runs."""

    filter: Annotated[TaskRunFilter, Meta(description="Which runs.")] = msgspec.field(default_factory=TaskRunFilter)
    limit: Annotated[Limit, Meta(description="How many at most.")] = 50
    cursor: Annotated[Cursor | None, Meta(description="`next_cursor` of the page before.")] = None
    order: Annotated[Order, Meta(description="Which end comes first.")] = Order.NEWEST


class SetFlowRunState(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a flow run to be put into another state."""

    type: Annotated[StateType, Meta(description="The type of the state; one that ends a run.", examples=["COMPLETED"])]
    name: Annotated[
        StateName | None, Meta(description="The state's name; null: that of its type.", examples=["Accepted"])
    ] = None
    message: Annotated[Message | None, Meta(description="Why, in words.")] = None
    force: Annotated[
        bool, Meta(description="Also while it is executed, which stops that, and whatever state it was in.")
    ] = False


class SetTaskRunResult(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a task run to be completed by hand."""

    value: Annotated[Any, Meta(description="The result: any JSON.", examples=[{"rows": 17}])]
    message: Annotated[Message | None, Meta(description="Why, in words.")] = None


class CancelledFlowRun(msgspec.Struct, kw_only=True):
    """What became of a wish that a flow run be cancelled."""

    requested: Annotated[bool, Meta(description="False: it had already ended.")]
    flow_run: Annotated[FlowRun, Meta(description="The run as it is now; one that is executed ends a little later.")]


class PausedFlowRun(msgspec.Struct, kw_only=True):
    """What became of a wish that a flow run pause, or be suspended."""

    requested: Annotated[bool, Meta(description="False: it waits already.")]
    flow_run: Annotated[FlowRun, Meta(description="The run as it is now; one that is executed waits a little later.")]


class ResumeFlowRun(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a flow run that waits to go on."""

    input: Annotated[
        dict[str, Any] | None,
        Meta(description="The input that it asks for; null: none.", examples=[{"approved": True}]),
    ] = None
    key: Annotated[Key | None, Meta(description="Which of its pauses is meant, where it waits in several places.")] = (
        None
    )


class ResumedFlowRun(msgspec.Struct, kw_only=True):
    """What became of a run that was resumed."""

    how: Annotated[
        Literal["goes_on", "queued", "to_be_executed"],
        Meta(
            description="`goes_on`: in its process; `queued`: it waits to be claimed; `to_be_executed`: it was called"
            " in a script, and `dalsegno flow-run resume` executes it where its code is."
        ),
    ]
    flow_run: Annotated[FlowRun, Meta(description="The run as it is now.")]


class BulkRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Names flow runs to do something to: by their ids or by a filter, one of the two. Nested runs are left alone."""

    ids: Annotated[Ids | None, Meta(description="These.")] = None
    filter: Annotated[FlowRunFilter | None, Meta(description="Those that fit.")] = None
    limit: Annotated[Limit, Meta(description="How many at most in this request.")] = 100
    cursor: Annotated[Cursor | None, Meta(description="`next_cursor` of the request before.")] = None
    dry_run: Annotated[bool, Meta(description="Do nothing; tell what would be done.")] = False


class BulkSetState(BulkRequest, kw_only=True, forbid_unknown_fields=True):
    """Names flow runs, and the state that they are to be put into."""

    state: Annotated[SetFlowRunState, Meta(description="The state.")]


class Outcome(str, enum.Enum):
    """What became of one run of many."""

    DONE = "done"
    WOULD_BE_DONE = "would_be_done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class BulkItem(msgspec.Struct, kw_only=True):
    """What became of one run."""

    id: Annotated[uuid.UUID, Meta(description="The flow run.")]
    name: Annotated[str | None, Meta(description="Its name; null: there is no such run.")]
    flow_name: Annotated[str | None, Meta(description="Its flow; null: there is no such run.")]
    state: Annotated[State | None, Meta(description="The state that it was in before.")]
    outcome: Annotated[Outcome, Meta(description="What became of it.")]
    detail: Annotated[str | None, Meta(description="Why it was refused, or left as it was.")] = None


class BulkAnswer(msgspec.Struct, kw_only=True):
    """What became of many runs."""

    dry_run: Annotated[bool, Meta(description="Nothing was done; this is what would be.")]
    count: Annotated[int, Meta(description="How many runs fit, these and those that follow, at least.")]
    count_at_least: Annotated[bool, Meta(description="Counting stopped at a bound: there are at least so many.")]
    items: Annotated[list[BulkItem], Meta(description="One entry for each run that was looked at.")]
    next_cursor: Annotated[
        str | None, Meta(description="Send the same request with it to go on; null: all that fit were looked at.")
    ]
