"""`/api/logs`: the log of a flow run, with all that is nested in it, or of a task run; also as a text file."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from litestar import MediaType, Request, get
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import Meta

from dalsegno._store import log_search, queries
from dalsegno._store.log_search import FoundLogs, LogFilter, Place
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.commands import Order
from dalsegno.model.resources.filters import LONGEST_TEXT
from dalsegno.model.resources.logs import LogPage, to_log
from dalsegno.model.resources.values import from_optional_time, to_time
from dalsegno.model.views import LogView
from dalsegno.server.asking import read
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.parameters import CursorParameter, Id
from dalsegno.server.problems import InvalidValue

_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_KIND = "logs"
_TAGS = ["Logs"]
_MOST_LINES = 1_000
_LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))


@get("/api/logs", operation_id="list_logs", tags=_TAGS)
async def list_logs(
    request: Request[Any, Any, Any],
    flow_run_id: Annotated[
        uuid.UUID | None, QueryParameter(name="flow-run-id", description="Of this flow run and all nested in it.")
    ] = None,
    task_run_id: Annotated[
        uuid.UUID | None, QueryParameter(name="task-run-id", description="Of this task run.")
    ] = None,
    min_level: Annotated[int, QueryParameter(name="min-level", description="Lowest level.", ge=0, le=1000)] = 0,
    max_level: Annotated[
        int | None, QueryParameter(name="max-level", description="Highest level.", ge=0, le=1000)
    ] = None,
    after: Annotated[datetime | None, QueryParameter(name="after", description="Written then or later.")] = None,
    before: Annotated[datetime | None, QueryParameter(name="before", description="Written earlier.")] = None,
    text: Annotated[
        str | None,
        QueryParameter(name="text", description="The message holds this, whatever its case.", max_length=LONGEST_TEXT),
    ] = None,
    order: Annotated[Order, QueryParameter(name="order", description="Which end comes first.")] = Order.OLDEST,
    limit: Annotated[int, QueryParameter(name="limit", description="How many at most.", ge=1, le=_MOST_LINES)] = 200,
    cursor: CursorParameter = None,
) -> LogPage:
    """Return a page of the log of one run: `flow-run-id` or `task-run-id`, one of the two."""
    if (flow_run_id is None) == (task_run_id is None):
        raise InvalidValue("flow-run-id", "Name one run: by flow-run-id or by task-run-id.")
    filter = LogFilter(
        flow_run_id=None if flow_run_id is None else flow_run_id.bytes,
        task_run_id=None if task_run_id is None else task_run_id.bytes,
        min_level=min_level,
        max_level=max_level,
        after=from_optional_time(after),
        before=from_optional_time(before),
        text=text,
    )
    found = await _search(
        request, filter, read_cursor(_KIND, cursor, tuple[_Integer, _Integer]), limit, order is Order.NEWEST
    )
    last = None if not found.items else (found.items[-1].timestamp, found.items[-1].nonce)
    return LogPage(
        items=[to_log(line) for line in found.items],
        next_cursor=None if found.next is None else write_cursor(_KIND, found.next),
        last_cursor=None if last is None else write_cursor(_KIND, last),
        complete=found.complete,
    )


@get(
    "/api/flow-runs/{id:uuid}/logs/download",
    operation_id="download_flow_run_logs",
    tags=_TAGS,
    media_type=MediaType.TEXT,
)
async def download(request: Request[Any, Any, Any], id: Id) -> Stream:
    """Return the whole log of a flow run, with all that is nested in it, as text, oldest line first."""
    run = await read(request, queries.read_flow_run, id.bytes, counted=False)
    if run is None:
        raise ObjectNotFound(f"There is no flow run {id}.")
    return Stream(
        _lines(request, LogFilter(flow_run_id=id.bytes)),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="flow-run-{id}.log"'},
    )


async def _lines(request: Request[Any, Any, Any], filter: LogFilter) -> AsyncIterator[str]:
    after: Place | None = None
    while True:
        found = await _search(request, filter, after, _MOST_LINES, newest_first=False)
        yield "".join(map(_line, found.items))
        if found.next is None:
            return
        after = found.next


async def _search(
    request: Request[Any, Any, Any], filter: LogFilter, after: Place | None, limit: int, newest_first: bool
) -> FoundLogs:
    return await read(request, log_search.search_logs, filter, after=after, limit=limit, newest_first=newest_first)


def _line(line: LogView) -> str:
    when = to_time(line.timestamp).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    level = next(name for least, name in _LEVELS if line.level >= least)
    return f"{when}Z | {level:<8} | {line.logger} | {line.message}\n"


routes = [list_logs, download]
