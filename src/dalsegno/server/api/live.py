"""`GET /api/live`: server-sent events that say what changed, so that a page asks again only for what it shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from dalsegno._store.changes import ANYTHING, Changes
from dalsegno.model.resources.live import KINDS, Change
from dalsegno.server.hub import Hub
from dalsegno.server.metrics import Metrics

_COALESCED = 0.2  # seconds between two events of one stream
_QUIET = 15.0  # seconds after which a line says that the stream lives
_LONGEST = 600.0
"""Seconds after which a stream ends. The other side asks again, misses nothing, and has to show once more who it is."""
_LONGEST_NUMBER = 20


class Subscription(msgspec.Struct, frozen=True):
    """What a stream is about."""

    kinds: frozenset[str]
    root_run_ids: frozenset[bytes]

    def of(self, changes: Changes | None) -> Change | None:
        """Return the part of some changes that it is about; None: no part."""
        if changes is None:
            return None
        kinds = frozenset(kind.replace("_", "-") for kind in changes.kinds)
        if self.kinds:
            if kinds and not kinds & self.kinds:
                return None
            kinds = kinds & self.kinds or self.kinds
        roots = changes.root_run_ids
        if self.root_run_ids:
            if roots is not None and not roots & self.root_run_ids:
                return None
            roots = self.root_run_ids if roots is None else roots & self.root_run_ids
        return Change(sorted(kinds), None if roots is None else [UUID(bytes=root) for root in sorted(roots)])


@get("/api/live", tags=["Live"], operation_id="watch_changes", media_type="text/event-stream")
async def live(
    request: Request[Any, Any, Any],
    kind: Annotated[
        list[str] | None, QueryParameter(description=f"Only changes of these: {', '.join(sorted(KINDS))}.")
    ] = None,
    root_run_id: Annotated[
        list[UUID] | None, QueryParameter(name="root-run-id", description="Only changes of these root flow runs.")
    ] = None,
    last_event_id: Annotated[
        str | None, HeaderParameter(name="last-event-id", description="Where an earlier stream stopped.")
    ] = None,
) -> Stream:
    """Stream `change` events; it ends now and then, to be asked for anew. Each has an id: with the last one, a new
    stream says first what was missed.

    An event is a hint: several changes may be one event, and it may say more than has changed.
    """
    subscription = Subscription(frozenset(kind or ()), frozenset(id.bytes for id in root_run_id or ()))
    hub: Hub = request.app.state.hub
    return Stream(
        _counted(request.app.state.metrics, _events(hub, subscription, last_event_id)),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _counted(metrics: Metrics, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with metrics.waiting("live"):
        async for event in events:
            yield event


async def _events(hub: Hub, subscription: Subscription, last: str | None) -> AsyncIterator[bytes]:
    number = hub.number
    # The first bytes, so that the other side knows that it is heard, and where it began.
    yield b"retry: 1000\n\n" if last is not None else b"retry: 1000\nid: %b-%d\n\n" % (hub.id.encode(), number)
    if last is not None:
        missed = _missed(hub, last)
        if (change := subscription.of(missed)) is not None:
            yield _event(hub, number, change)
    end = time.monotonic() + _LONGEST
    while not hub.stopping and (left := end - time.monotonic()) > 0:
        await hub.wait(number, min(_QUIET, left))
        found = subscription.of(hub.since(number))
        if found is None and number == hub.number:
            yield b": quiet\n\n"
        number = hub.number
        if found is not None:
            yield _event(hub, number, found)
            await asyncio.sleep(_COALESCED)


def _missed(hub: Hub, last: str) -> Changes | None:
    id, _, number = last.partition("-")
    if id != hub.id or not number.isdecimal() or len(number) > _LONGEST_NUMBER:
        # It was told by another server, or by this one before it was started anew.
        return ANYTHING
    return hub.since(int(number))


def _event(hub: Hub, number: int, change: Change) -> bytes:
    return b"id: %b-%d\nevent: change\ndata: %b\n\n" % (hub.id.encode(), number, msgspec.json.encode(change))


routes = [live]
