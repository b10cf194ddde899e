"""`/api/results`: the server's own result storage, for results that are too large for the database."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from litestar import Request, Response, delete, get, head, put
from litestar.exceptions import ClientException, HTTPException
from litestar.params import FromPath
from litestar.response import File, Stream

from dalsegno._backend.operations import RESULTS_PATH
from dalsegno.exceptions import ConfigurationError, MissingResult
from dalsegno.results.files import delete_file, file_exists, join, local_path, move_file, read_in_chunks
from dalsegno.results.server_files import own_storage
from dalsegno.server.asking import ask

_PATH = RESULTS_PATH + "{name:path}"
_MEDIA_TYPE = "application/octet-stream"
_CHUNK = 1024 * 1024
_LONGEST_PART = 255
_RECEIVED = ".received-"
_ABANDONED = 86_400.0
"""Seconds without a byte after which a file is not being received any more."""


@put(_PATH, status_code=204, include_in_schema=False, request_max_body_size=None)
async def write(name: FromPath[str], request: Request[Any, Any, Any]) -> None:
    """Keep a file under a name, in place of what was there."""
    url = _url(name)
    received = await _receive(request, Path(own_storage().removeprefix("file://")) if local_path(url) else None)
    try:
        await ask(request, move_file, received, url)
    except BaseException:
        received.unlink(missing_ok=True)
        raise


@get(_PATH, include_in_schema=False, media_type=_MEDIA_TYPE)
async def read(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """Return a file."""
    url = _url(name)
    if not await ask(request, file_exists, url):
        raise MissingResult(f"There is no result file {name!r}.")
    path = local_path(url)
    if path is not None:
        return File(path, filename=path.name, media_type=_MEDIA_TYPE)
    return Stream(read_in_chunks(url, _CHUNK), media_type=_MEDIA_TYPE)


@head(_PATH, status_code=204, include_in_schema=False)
async def exists(name: FromPath[str], request: Request[Any, Any, Any]) -> None:
    """Say whether there is a file."""
    if not await ask(request, file_exists, _url(name)):
        raise MissingResult(f"There is no result file {name!r}.")


@delete(_PATH, status_code=204, include_in_schema=False)
async def remove(name: FromPath[str], request: Request[Any, Any, Any]) -> None:
    """Delete a file."""
    if not await ask(request, delete_file, _url(name)):
        raise MissingResult(f"There is no result file {name!r}.")


def remove_abandoned() -> None:
    """Delete what servers had begun to receive when they were killed."""
    own = local_path(join(own_storage(), _RECEIVED))
    folder = Path(tempfile.gettempdir()) if own is None else own.parent
    for path in folder.glob(f"{_RECEIVED}*"):
        with contextlib.suppress(OSError):  # another server was faster, or it is somebody else's
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def _url(name: str) -> str:
    if "\0" in name or any(len(part.encode()) > _LONGEST_PART for part in name.split("/")):
        # No file system takes it, so it is not worth being tried again.
        raise ClientException("No file can have this name: between two slashes it has more than 255 bytes, or a zero.")
    try:
        return join(own_storage(), name.lstrip("/"))
    except ConfigurationError as error:
        raise ClientException(str(error)) from None


async def _receive(request: Request[Any, Any, Any], folder: Path | None) -> Path:
    """Write the body to a file beside its place, so that it can be moved there, and return its path."""
    most = _largest(request)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(prefix=_RECEIVED, dir=folder)
    size = 0
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise HTTPException(
                        status_code=413,
                        detail=f"The result is larger than the server keeps (results.max_size, {most}).",
                    )
                await ask(request, file.write, chunk)
            await ask(request, _sync, file)
    except BaseException:
        os.unlink(path)
        raise
    return Path(path)


def _largest(request: Request[Any, Any, Any]) -> int:
    return request.app.state.settings.results.max_size


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


routes = [write, read, exists, remove]
