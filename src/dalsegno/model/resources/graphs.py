"""What the page draws of many runs at once: columns rather than objects, so that ten thousand go in one answer."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.states import StateType


class Graph(msgspec.Struct, kw_only=True):
    """The task runs of a flow run, oldest first: the n-th entries of all columns are one task run."""

    ids: Annotated[list[uuid.UUID], Meta(description="Their ids.")]
    names: Annotated[list[str], Meta(description="Their names.")]
    task_names: Annotated[list[str], Meta(description="The names of tasks that occur, each once.")]
    tasks: Annotated[list[int], Meta(description="Places in `task_names`.")]
    state_types: Annotated[list[StateType], Meta(description="The types of the states that they are in.")]
    state_names: Annotated[list[str], Meta(description="The names of those.")]
    starts: Annotated[list[int | None], Meta(description="Starts, in microseconds since 1970; null: not started.")]
    durations: Annotated[list[int | None], Meta(description="Microseconds; null: has not ended, or never started.")]
    parents: Annotated[list[uuid.UUID | None], Meta(description="The task runs that called them.")]
    child_flow_runs: Annotated[
        list[uuid.UUID | None],
        Meta(description="The nested flow runs that they stand for; each has a graph of its own."),
    ]
    attempts: Annotated[
        list[int],
        Meta(description="The attempts that they last took part in; one before the run's own: it was replayed."),
    ]
    run_counts: Annotated[list[int], Meta(description="How often their bodies were started, over all attempts.")]
    superseded: Annotated[
        list[int],
        Meta(description="Those that the body of a later attempt ended without coming to again: places in `ids`."),
    ]
    upstream: Annotated[
        list[list[int]], Meta(description="What each needed, as far as it is on this page: places in `ids`.")
    ]
    upstream_elsewhere: Annotated[
        dict[str, list[uuid.UUID]],
        Meta(description="What they needed that is not on this page: place in `ids`, as text, to ids."),
    ]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class HistorySpan(msgspec.Struct, kw_only=True):
    """The flow runs that were made within a span of time."""

    start: Annotated[datetime, Meta(description="From then on.")]
    end: Annotated[datetime, Meta(description="Until just before.")]
    by_state_type: Annotated[dict[str, int], Meta(description="Type of state to number of runs.")]


class History(msgspec.Struct, kw_only=True):
    """How many flow runs were made, over time, by type of the state that they are in."""

    spans: Annotated[list[HistorySpan], Meta(description="Equal spans of time, oldest first.")]
    covered_from: Annotated[
        datetime | None,
        Meta(description="Counting stopped at a bound: before this there may be more. Null: all are counted."),
    ]
