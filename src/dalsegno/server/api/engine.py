"""`/api/engine`: the operations that running flows and the command line need, in msgpack, as `Backend` has them."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from dalsegno._backend.operations import COMPRESSED, MEDIA_TYPE, PATH, operations
from dalsegno.server.asking import ask
from dalsegno.server.hub import Hub

_LONGEST_WAIT = 20.0
"""Seconds after which one who waits is answered, changed or not: before anything between here and there hangs up."""


@post(PATH + "{operation:str}", status_code=200, include_in_schema=False)
async def call(operation: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Perform one operation."""
    found = operations().get(operation)
    if found is None:
        raise NotFoundException(f"There is no operation {operation!r}: is the client of another version?")
    if request.content_type[0] != MEDIA_TYPE:
        raise HTTPException(status_code=415, detail=f"Operations are asked for in {MEDIA_TYPE}.")
    body = _unpacked(await request.body(), request)
    if operation == "wait_for_change":
        result = msgspec.msgpack.encode(await _wait_for_change(request, *found.read_arguments(body)))
    else:
        result = await ask(request, found.call, request.app.state.backend, body)
    return Response(result, media_type=MEDIA_TYPE)


async def _wait_for_change(request: Request[Any, Any, Any], token: Any, timeout: float) -> Any:
    """Wait without a thread: any number of others may be waiting."""
    state = request.app.state
    hub: Hub = state.hub
    number = hub.number
    newer = await ask(request, state.backend.change_token)
    if newer == token:
        await hub.wait(number, min(timeout, _LONGEST_WAIT))
        newer = await ask(request, state.backend.change_token)
    return newer


def _unpacked(body: bytes, request: Request[Any, Any, Any]) -> bytes:
    encoding = request.headers.get("content-encoding")
    if encoding is None:
        return body
    if encoding != COMPRESSED:
        raise HTTPException(status_code=415, detail=f"The encoding {encoding!r} is not known here; use {COMPRESSED}.")
    most: int = request.app.state.max_body_size
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(body, most)
    except zlib.error as error:
        raise ClientException(f"The body is not {COMPRESSED}: {error}.") from None
    if inflater.unconsumed_tail:
        raise HTTPException(status_code=413, detail=f"The body is larger than {most} bytes when it is unpacked.")
    return whole


routes = [call]
