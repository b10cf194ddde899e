"""The web page: its frame at `/` and at every address that a person can open, and the files that it is made of.

It holds no data, so it is public; what it shows it asks of the API. It is built by `make ui-build` (or with the wheel)
into `static/`; a server without it says so in its place.
"""

from __future__ import annotations

import hashlib
import mimetypes
from html import escape
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import HeaderParameter, PathParameter

import dalsegno

FOLDER = Path(__file__).with_name("static")
"""Where the built page lies: `index.html`, and `assets/` whose names hold a hash of what is in them."""

ADDRESSES: tuple[str, ...] = (
    "/",
    "/login",
    "/runs",
    "/runs/{id:uuid}",
    "/task-runs",
    "/task-runs/{id:uuid}",
    "/flows",
    "/flows/{name:str}",
    "/artifacts",
    "/artifacts/{id:uuid}",
    "/variables",
    "/concurrency",
    "/users",
    "/api-keys",
    "/audit-log",
)
"""What the page's own router knows: opened directly, each gives the frame."""

_FOREVER = "public, max-age=31536000, immutable"
_WITHOUT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Dalsegno</title><meta name="viewport" content="width=device-width"></head>
<body>
<h1>Dalsegno {version}</h1>
<p>The server runs, without its web page: this copy of it was not built. In a clone, build it with
<code>make ui-build</code> and start the server again; an installed release has it.</p>
<p>The API is described at <a href="/api/docs">/api/docs</a>. On the command line, <code>dalsegno flow-run ls</code>
lists runs, and <code>dalsegno flow-run retry NAME</code> picks up one that failed.</p>
</body>
</html>
"""


class PageFile(msgspec.Struct, frozen=True):
    """A file of the page, as it is sent."""

    body: bytes
    compressed: bytes | None
    """The same as gzip, where that was made."""
    media_type: str
    etag: str


class PageFiles:
    """The built page, read into memory once: it is a few hundred KiB."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.html"
        self.index = _read(index) if index.is_file() else _file(_without(), None, "text/html")
        assets = folder / "assets"
        names = sorted(assets.iterdir()) if assets.is_dir() else []
        self.assets = {path.name: _read(path) for path in names if path.suffix != ".gz"}


@get(list(ADDRESSES), media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def frame(
    request: Request[Any, Any, Any],
    if_none_match: Annotated[str | None, HeaderParameter(name="if-none-match")] = None,
) -> Response[bytes]:
    """Return the frame of the page, which is the same at all its addresses."""
    file = _files(request).index
    if if_none_match is not None and file.etag in {each.strip() for each in if_none_match.split(",")}:
        return Response(b"", status_code=304, headers={"etag": file.etag, "vary": "accept-encoding"})
    return _answer(request, file, {"etag": file.etag})


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(request: Request[Any, Any, Any], name: Annotated[str, PathParameter()]) -> Response[bytes]:
    """Return a file of the page. Its name holds a hash of what is in it, so it is asked for once."""
    file = _files(request).assets.get(name)
    if file is None:
        raise NotFoundException(f"The page has no file {name!r}. Reload it: the server may have been upgraded.")
    return _answer(request, file, {"cache-control": _FOREVER})


def _files(request: Request[Any, Any, Any]) -> PageFiles:
    return request.app.state.page_files


def _answer(request: Request[Any, Any, Any], file: PageFile, headers: dict[str, str]) -> Response[bytes]:
    headers["vary"] = "accept-encoding"
    accepted = {each.partition(";")[0].strip() for each in request.headers.get("accept-encoding", "").split(",")}
    if file.compressed is None or "gzip" not in accepted:
        return Response(file.body, media_type=file.media_type, headers=headers)
    headers["content-encoding"] = "gzip"
    return Response(file.compressed, media_type=file.media_type, headers=headers)


def _read(path: Path) -> PageFile:
    compressed = path.with_name(path.name + ".gz")
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    packed = compressed.read_bytes() if compressed.is_file() else None
    return _file(path.read_bytes(), packed, kind or "application/octet-stream")


def _file(body: bytes, compressed: bytes | None, media_type: str) -> PageFile:
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    # Weak: the compressed form goes under the same tag.
    return PageFile(body, compressed, media_type, f'W/"{digest}"')


def _without() -> bytes:
    return _WITHOUT.format(version=escape(dalsegno.__version__)).encode()


routes = [frame, asset]
