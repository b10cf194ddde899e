"""What people do to many flow runs: named by ids or by a filter, a bounded number in one request, each with its
outcome."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, post
from litestar.params import JSONBody

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import searching
from dalsegno.exceptions import BackendError, BackendUnavailable, DatabaseError
from dalsegno.model.resources.commands import (
    MOST_ITEMS,
    BulkAnswer,
    BulkItem,
    BulkRequest,
    BulkSetState,
    Order,
    Outcome,
)
from dalsegno.model.resources.filters import from_flow_run_filter
from dalsegno.model.resources.states import to_state
from dalsegno.model.resources.values import to_id
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.server.asking import ask
from dalsegno.server.commands import Cancel, Command, Delete, Retry, missing, to_command
from dalsegno.server.cursors import write_cursor
from dalsegno.server.parameters import page_of
from dalsegno.server.problems import InvalidValue

_KIND = "flow-runs/bulk"
_TAGS = ["Flow runs"]
_LONGEST = 10.0
"""Seconds after which a request stops and says where to go on: deleting a large run takes some."""


@post("/api/flow-runs/bulk/cancel", operation_id="cancel_flow_runs", tags=_TAGS, status_code=200)
async def cancel(request: Request[Any, Any, Any], data: JSONBody[BulkRequest]) -> BulkAnswer:
    """Cancel flow runs."""
    return await _perform(request, data, Cancel())


@post("/api/flow-runs/bulk/delete", operation_id="delete_flow_runs", tags=_TAGS, status_code=200)
async def delete(request: Request[Any, Any, Any], data: JSONBody[BulkRequest]) -> BulkAnswer:
    """Delete flow runs that have ended, with all that belongs to them."""
    return await _perform(request, data, Delete())


@post("/api/flow-runs/bulk/set-state", operation_id="set_flow_run_states", tags=_TAGS, status_code=200)
async def set_state(request: Request[Any, Any, Any], data: JSONBody[BulkSetState]) -> BulkAnswer:
    """Put flow runs into a state that ends them."""
    return await _perform(request, data, to_command(data.state))


@post("/api/flow-runs/bulk/retry", operation_id="retry_flow_runs", tags=_TAGS, status_code=200)
async def retry(request: Request[Any, Any, Any], data: JSONBody[BulkRequest]) -> BulkAnswer:
    """Have flow runs of deployments picked up where they stopped: they wait in their queues. Those that were called in
    a script are refused, each with the command to do it there."""
    return await _perform(request, data, Retry())


async def _perform(request: Request[Any, Any, Any], data: BulkRequest, command: Command) -> BulkAnswer:
    if (data.ids is None) == (data.filter is None):
        raise InvalidValue("filter", "Name the runs by `ids` or by a `filter`, one of the two.")
    limit = data.limit if data.ids is None else MOST_ITEMS
    page = page_of(_KIND, limit, data.cursor, Order.OLDEST)
    backend: StoreBackend = request.app.state.backend
    return await ask(request, _perform_all, backend, data, command, page)


def _perform_all(backend: StoreBackend, data: BulkRequest, command: Command, page: Page) -> BulkAnswer:
    filter = _filter(data)
    database = backend.database
    counted = database.read(lambda connection: searching.count(connection, searching.FLOW_RUNS, filter))
    found = database.read(lambda connection: searching.search(connection, searching.FLOW_RUNS, filter, page))
    deadline = time.monotonic() + _LONGEST
    items = [] if data.cursor is not None else _missing(data, {run.id for run in found.items})
    next = found.next
    for run in found.items:
        items.append(_one(backend, run, command, dry_run=data.dry_run))
        if time.monotonic() > deadline and run is not found.items[-1]:
            next = run.id
            break
    return BulkAnswer(
        dry_run=data.dry_run,
        count=sum(counted.counts.values()),
        count_at_least=not counted.complete,
        items=items,
        next_cursor=None if next is None else write_cursor(_KIND, to_id(next)),
    )


def _filter(data: BulkRequest) -> RunFilter:
    if data.filter is None:
        # No ids fit nothing, where an empty list in a filter would fit everything.
        return RunFilter(ids=[id.bytes for id in data.ids or []] or [bytes(16)])
    filter = from_flow_run_filter(data.filter)
    filter.top_level = True
    return filter


def _missing(data: BulkRequest, found: set[bytes]) -> list[BulkItem]:
    return [
        BulkItem(id=id, name=None, flow_name=None, state=None, outcome=Outcome.REFUSED, detail=missing(id))
        for id in dict.fromkeys(data.ids or [])
        if id.bytes not in found
    ]


def _one(backend: StoreBackend, run: FlowRunView, command: Command, *, dry_run: bool) -> BulkItem:
    item = BulkItem(
        id=to_id(run.id),
        name=run.name,
        flow_name=run.flow_name,
        state=to_state(run.state),
        outcome=Outcome.WOULD_BE_DONE if dry_run else Outcome.DONE,
    )
    if run.id != run.root_run_id:
        item.outcome = Outcome.REFUSED
        item.detail = f"It is nested in flow run {to_id(run.root_run_id)}: do it to that one."
        return item
    try:
        changed = command.check(backend, run.id) if dry_run else command.perform(backend, run.id)
    except (BackendUnavailable, DatabaseError):
        raise
    except BackendError as error:
        item.outcome, item.detail = Outcome.REFUSED, str(error)
        return item
    if not changed:
        ended = run.state.type in TERMINAL_TYPES
        item.detail = "It had already ended." if ended else "It waits in the queue already."
        item.outcome = Outcome.UNCHANGED
    return item


routes = [cancel, delete, set_state, retry]
