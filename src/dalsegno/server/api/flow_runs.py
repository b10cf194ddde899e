"""`/api/flow-runs`: one flow run, lists, counts, runs over time, and the graph of what ran in one."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from dalsegno._store import graphs, queries, searching
from dalsegno._store.connection import Connection
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.commands import FlowRunSearch
from dalsegno.model.resources.filters import FlowRunFilter, from_flow_run_filter
from dalsegno.model.resources.flow_runs import FlowRun, FlowRunPage, StateCounts, to_flow_run, to_state_counts
from dalsegno.model.resources.graphs import Graph, History, HistorySpan
from dalsegno.model.resources.values import from_time, to_id, to_optional_id, to_time
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.server.asking import read
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.parameters import OF_FLOW_RUNS, PAGING, CursorParameter, Id, Paging, page_of
from dalsegno.server.problems import InvalidValue

KIND = "flow-runs"
_GRAPH = "graph"
_MOST_NODES = 10_000
_TAGS = ["Flow runs"]


@get("/api/flow-runs", operation_id="list_flow_runs", tags=_TAGS, dependencies=OF_FLOW_RUNS | PAGING)
async def list_flow_runs(
    request: Request[Any, Any, Any], filter: NamedDependency[FlowRunFilter], paging: NamedDependency[Paging]
) -> FlowRunPage:
    """Return a page of flow runs, newest first unless `order` says otherwise."""
    return await _page(request, filter, paging.page(KIND))


@post("/api/flow-runs/filter", operation_id="search_flow_runs", tags=_TAGS, status_code=200)
async def search_flow_runs(request: Request[Any, Any, Any], data: JSONBody[FlowRunSearch]) -> FlowRunPage:
    """Return a page of flow runs; as the list does, with the filter in the body."""
    return await _page(request, data.filter, page_of(KIND, data.limit, data.cursor, data.order))


@get("/api/flow-runs/count", operation_id="count_flow_runs", tags=_TAGS, dependencies=OF_FLOW_RUNS)
async def count_flow_runs(request: Request[Any, Any, Any], filter: NamedDependency[FlowRunFilter]) -> StateCounts:
    """Return how many flow runs there are by state, up to a bound."""
    return await _count(request, filter)


@post("/api/flow-runs/count", operation_id="count_flow_runs_that_fit", tags=_TAGS, status_code=200)
async def count_flow_runs_that_fit(request: Request[Any, Any, Any], data: JSONBody[FlowRunFilter]) -> StateCounts:
    """Return how many flow runs there are by state, with the filter in the body."""
    return await _count(request, data)


@get("/api/flow-runs/history", operation_id="read_flow_run_history", tags=_TAGS, dependencies=OF_FLOW_RUNS)
async def read_history(
    request: Request[Any, Any, Any],
    filter: NamedDependency[FlowRunFilter],
    start: Annotated[datetime, QueryParameter(name="start", description="The beginning of the first span.")],
    end: Annotated[datetime, QueryParameter(name="end", description="The end of the last span.")],
    spans: Annotated[int, QueryParameter(name="spans", description="How many spans.", ge=1, le=500)] = 50,
) -> History:
    """Return how many flow runs were made in each of some equal spans of time, by type of state."""
    first, last = from_time(start), from_time(end)
    if last - first < spans:
        raise InvalidValue("end", "It must be later than `start`.")
    found = await read(request, graphs.count_over_time, from_flow_run_filter(filter), first, last, spans)
    width = timedelta(microseconds=(last - first) / spans)
    begin = to_time(first)
    return History(
        spans=[
            HistorySpan(
                start=begin + number * width,
                end=begin + (number + 1) * width,
                by_state_type={type_.value: count for type_, count in counts.items()},
            )
            for number, counts in enumerate(found.counts)
        ],
        covered_from=None if found.covered_from is None else to_time(found.covered_from),
    )


@get("/api/flow-runs/{id:uuid}", operation_id="read_flow_run", tags=_TAGS)
async def read_flow_run(request: Request[Any, Any, Any], id: Id) -> FlowRun:
    """Return a flow run with all that is known of it: its states, its process, its result."""
    return await find_flow_run(request, id)


@get("/api/flow-runs/{id:uuid}/graph", operation_id="read_flow_run_graph", tags=_TAGS)
async def read_graph(
    request: Request[Any, Any, Any],
    id: Id,
    cursor: CursorParameter = None,
    limit: Annotated[
        int, QueryParameter(name="limit", description="How many task runs.", ge=1, le=_MOST_NODES)
    ] = _MOST_NODES,
) -> Graph:
    """Return the task runs of a flow run with what each needed, oldest first, in columns."""
    after = read_cursor(_GRAPH, cursor, uuid.UUID)
    return await read(request, _read_graph, id.bytes, None if after is None else after.bytes, limit)


async def find_flow_run(request: Request[Any, Any, Any], id: uuid.UUID) -> FlowRun:
    """Return a flow run. Raises ObjectNotFound."""
    return await read(request, _read_flow_run, id)


def page_answer(found: searching.Found[FlowRunView]) -> FlowRunPage:
    """Return what was found as a page of the API."""
    return FlowRunPage(
        items=[to_flow_run(run) for run in found.items],
        next_cursor=None if found.next is None else write_cursor(KIND, to_id(found.next)),
        complete=found.complete,
    )


async def _page(request: Request[Any, Any, Any], filter: FlowRunFilter, page: Page) -> FlowRunPage:
    return page_answer(await read(request, searching.search, searching.FLOW_RUNS, from_flow_run_filter(filter), page))


async def _count(request: Request[Any, Any, Any], filter: FlowRunFilter) -> StateCounts:
    counted = await read(request, searching.count, searching.FLOW_RUNS, from_flow_run_filter(filter))
    return to_state_counts(counted.counts, at_least=not counted.complete)


def _read_flow_run(connection: Connection, id: uuid.UUID) -> FlowRun:
    view = queries.read_flow_run(connection, id.bytes, counted=False)
    if view is None:
        raise ObjectNotFound(f"There is no flow run {id}.")
    counted = searching.count(connection, searching.TASK_RUNS, RunFilter(flow_run_ids=[id.bytes]))
    return to_flow_run(view, to_state_counts(counted.counts, at_least=not counted.complete))


def _read_graph(connection: Connection, id: bytes, after: bytes | None, limit: int) -> Graph:
    if queries.read_flow_run(connection, id, counted=False) is None:
        raise ObjectNotFound(f"There is no flow run {to_id(id)}.")
    found = graphs.read_graph(connection, id, after, limit)
    places = {node.id: place for place, node in enumerate(found.items)}
    tasks: dict[str, int] = {}
    elsewhere = {
        str(place): missing
        for place, node in enumerate(found.items)
        if (missing := [to_id(each) for each in node.upstream if each not in places])
    }
    return Graph(
        ids=[to_id(node.id) for node in found.items],
        names=[node.name for node in found.items],
        tasks=[tasks.setdefault(node.task_name, len(tasks)) for node in found.items],
        task_names=list(tasks),
        state_types=[node.state_type for node in found.items],
        state_names=[node.state_name for node in found.items],
        starts=[node.start for node in found.items],
        durations=[node.duration for node in found.items],
        parents=[to_optional_id(node.parent_task_run_id) for node in found.items],
        child_flow_runs=[to_optional_id(node.child_flow_run_id) for node in found.items],
        attempts=[node.attempt for node in found.items],
        run_counts=[node.run_count for node in found.items],
        superseded=[place for place, node in enumerate(found.items) if node.superseded],
        upstream=[[places[each] for each in node.upstream if each in places] for node in found.items],
        upstream_elsewhere=elsewhere,
        next_cursor=None if found.next is None else write_cursor(_GRAPH, to_id(found.next)),
    )


routes = [
    list_flow_runs,
    search_flow_runs,
    count_flow_runs,
    count_flow_runs_that_fit,
    read_history,
    read_flow_run,
    read_graph,
]
