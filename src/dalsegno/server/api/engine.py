"""`/api/engine`: the operations that running flows and the command line need, in msgpack, as `Backend` has them."""

from __future__ import annotations

import zlib
from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import ClientException, HTTPException, NotFoundException
from litestar.params import FromPath

from dalsegno._backend.operations import COMPRESSED, MEDIA_TYPE, PATH, operations
from dalsegno.server.asking import ask


@post(PATH + "{operation:str}", status_code=200, include_in_schema=False)
async def call(operation: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Perform one operation."""
    found = operations().get(operation)
    if found is None:
        raise NotFoundException(f"There is no operation {operation!r}: is the client of another version?")
    if request.content_type[0] != MEDIA_TYPE:
        raise HTTPException(status_code=415, detail=f"Operations are asked for in {MEDIA_TYPE}.")
    body = unpacked(await request.body(), request)
    state = request.app.state
    result = await ask(request, found.call, state.backend, body)
    return Response(result, media_type=MEDIA_TYPE)


def unpacked(body: bytes, request: Request[Any, Any, Any]) -> bytes:
    """Return the body of an operation as it was before it was compressed. Raises HTTPException where it is none."""
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
