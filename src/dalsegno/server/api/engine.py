"""`/api/engine`: the operations that running flows and the command line need, in msgpack, as `Backend` has them."""

from __future__ import annotations

import time
import zlib
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from dalsegno._backend.operations import COMPRESSED, MEDIA_TYPE, PATH, operations
from dalsegno.model.queue import ClaimRuns
from dalsegno.server.asking import ask, ask_at_once
from dalsegno.server.hub import Hub
from dalsegno.server.wishes import Wishes

_LONGEST_WAIT = 20.0
"""Seconds after which one who waits is answered, changed or not: before anything between here and there hangs up."""

_URGENT = frozenset({"heartbeat", "renew_leases", "renew_slots", "release_slots", "end_process", "worker_heartbeat"})
"""What others would take a process for dead without, or wait for."""


@post(PATH + "{operation:str}", status_code=200, include_in_schema=False)
async def call(operation: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Perform one operation."""
    found = operations().get(operation)
    if found is None:
        raise NotFoundException(f"There is no operation {operation!r}: is the client of another version?")
    if request.content_type[0] != MEDIA_TYPE:
        raise HTTPException(status_code=415, detail=f"Operations are asked for in {MEDIA_TYPE}.")
    body = await read_body(request)
    if operation in _WAITS:
        result = msgspec.msgpack.encode(await _WAITS[operation](request, *found.read_arguments(body)))
    else:
        asking = ask_at_once if operation in _URGENT else ask
        result = await asking(request, found.call, request.app.state.backend, body)
    return Response(result, media_type=MEDIA_TYPE)


async def _wait_for_change(request: Request[Any, Any, Any], token: Any, timeout: float) -> Any:
    """Wait without a thread: any number of others may be waiting."""
    state = request.app.state
    hub: Hub = state.hub
    number = hub.number
    newer = await ask(request, state.backend.change_token)
    if newer == token:
        with state.metrics.waiting("change"):
            await hub.wait(number, min(timeout, _LONGEST_WAIT))
        newer = await ask(request, state.backend.change_token)
    return newer


async def _wait_for_work(request: Request[Any, Any, Any], asked: ClaimRuns, token: Any, timeout: float) -> Any:
    """Wait without a thread until something changed and there is work, or something becomes due."""
    state = request.app.state
    hub: Hub = state.hub
    give_up = time.monotonic() + min(timeout, _LONGEST_WAIT)
    pause = 0.0
    while True:
        number = hub.number
        newer = await ask(request, state.backend.change_token)
        waiting = await ask(request, state.backend.look_for_work, asked)
        left = give_up - time.monotonic()
        if left <= 0 or hub.stopping or (waiting.now if newer != token else pause > 0):
            return newer
        token, pause = newer, waiting.pause(left)
        await hub.wait(number, pause)


async def _wait_for_wish(request: Request[Any, Any, Any], process_id: bytes, timeout: float) -> bool:
    state = request.app.state
    wishes: Wishes = state.wishes
    with state.metrics.waiting("wish"):
        return await wishes.wait(process_id, min(timeout, _LONGEST_WAIT))


_WAITS = {"wait_for_change": _wait_for_change, "wait_for_wish": _wait_for_wish, "wait_for_work": _wait_for_work}


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """Return the body of an operation as it was before it was compressed. Raises HTTPException where it is none."""
    body, encoding = await request.body(), request.headers.get("content-encoding")
    if encoding is None:
        return body
    if encoding != COMPRESSED:
        raise HTTPException(status_code=415, detail=f"The encoding {encoding!r} is not known here; use {COMPRESSED}.")
    # In a thread: unpacking hundreds of megabytes would hold up everybody else.
    return await ask(request, _unpack, body, max(1, request.app.state.max_body_size))


def _unpack(body: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(body, most)
    except zlib.error as error:
        raise ClientException(f"The body is not {COMPRESSED}: {error}.") from None
    if not inflater.eof and len(whole) >= most:
        raise HTTPException(status_code=413, detail=f"The body is larger than {most} bytes when it is unpacked.")
    if not inflater.eof:
        raise ClientException(f"The body is not {COMPRESSED}: its end is missing.")
    return whole


routes = [call]
