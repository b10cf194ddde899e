"""`/api/task-runs`: one task run, lists, counts, and completing one by hand."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from dalsegno._store import queries, searching
from dalsegno._store.connection import Connection
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.commands import SetTaskRunResult, TaskRunSearch
from dalsegno.model.resources.filters import TaskRunFilter, from_task_run_filter
from dalsegno.model.resources.flow_runs import StateCounts, to_state_counts
from dalsegno.model.resources.task_runs import TaskRun, TaskRunPage, to_task_run
from dalsegno.model.resources.values import to_id
from dalsegno.model.results import pack_plain
from dalsegno.model.views import Page
from dalsegno.server.asking import ask, read
from dalsegno.server.cursors import write_cursor
from dalsegno.server.parameters import OF_TASK_RUNS, PAGING, Id, Paging, page_of
from dalsegno.server.problems import InvalidValue, TooLarge

_KIND = "task-runs"
_TAGS = ["Task runs"]
_LARGEST_RESULT = 16 * 1024
"""Bytes of a result that is set by hand: it stands in its row."""


@get("/api/task-runs", operation_id="list_task_runs", tags=_TAGS, dependencies=OF_TASK_RUNS | PAGING)
async def list_task_runs(
    request: Request[Any, Any, Any], filter: NamedDependency[TaskRunFilter], paging: NamedDependency[Paging]
) -> TaskRunPage:
    """Return a page of task runs, newest first unless `order` says otherwise."""
    return await _page(request, filter, paging.page(_KIND))


@post("/api/task-runs/filter", operation_id="search_task_runs", tags=_TAGS, status_code=200)
async def search_task_runs(request: Request[Any, Any, Any], data: JSONBody[TaskRunSearch]) -> TaskRunPage:
    """Return a page of task runs; as the list does, with the filter in the body."""
    return await _page(request, data.filter, page_of(_KIND, data.limit, data.cursor, data.order))


@get("/api/task-runs/count", operation_id="count_task_runs", tags=_TAGS, dependencies=OF_TASK_RUNS)
async def count_task_runs(request: Request[Any, Any, Any], filter: NamedDependency[TaskRunFilter]) -> StateCounts:
    """Return how many task runs there are by state, up to a bound."""
    return await _count(request, filter)


@post("/api/task-runs/count", operation_id="count_task_runs_that_fit", tags=_TAGS, status_code=200)
async def count_task_runs_that_fit(request: Request[Any, Any, Any], data: JSONBody[TaskRunFilter]) -> StateCounts:
    """Return how many task runs there are by state, with the filter in the body."""
    return await _count(request, data)


@get("/api/task-runs/{id:uuid}", operation_id="read_task_run", tags=_TAGS)
async def read_task_run(request: Request[Any, Any, Any], id: Id) -> TaskRun:
    """Return a task run with all that is known of it: its states, its result."""
    return await read(request, _read_task_run, id)


@post("/api/task-runs/{id:uuid}/set-result", operation_id="set_task_run_result", tags=_TAGS, status_code=200)
async def set_result(request: Request[Any, Any, Any], id: Id, data: JSONBody[SetTaskRunResult]) -> TaskRun:
    """Complete a task run by hand: a retry of its flow run goes on with this result."""
    try:
        payload = msgspec.msgpack.encode(data.value)
    except (OverflowError, ValueError) as error:
        raise InvalidValue("value", f"It cannot be kept: {error}.") from None
    if len(payload) > _LARGEST_RESULT:
        raise TooLarge(f"The result has {len(payload)} bytes; one that is set by hand may have {_LARGEST_RESULT}.")
    message = data.message or "Set by hand."
    await ask(request, request.app.state.backend.set_task_result, id.bytes, pack_plain(payload), message)
    return await read(request, _read_task_run, id)


async def _page(request: Request[Any, Any, Any], filter: TaskRunFilter, page: Page) -> TaskRunPage:
    found = await read(request, searching.search, searching.TASK_RUNS, from_task_run_filter(filter), page)
    return TaskRunPage(
        items=[to_task_run(run) for run in found.items],
        next_cursor=None if found.next is None else write_cursor(_KIND, to_id(found.next)),
        complete=found.complete,
    )


async def _count(request: Request[Any, Any, Any], filter: TaskRunFilter) -> StateCounts:
    counted = await read(request, searching.count, searching.TASK_RUNS, from_task_run_filter(filter))
    return to_state_counts(counted.counts, at_least=not counted.complete)


def _read_task_run(connection: Connection, id: uuid.UUID) -> TaskRun:
    view = queries.read_task_run(connection, id.bytes)
    if view is None:
        raise ObjectNotFound(f"There is no task run {id}.")
    return to_task_run(view)


routes = [
    list_task_runs,
    search_task_runs,
    count_task_runs,
    count_task_runs_that_fit,
    read_task_run,
    set_result,
]
