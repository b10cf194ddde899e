"""The API's own description: the OpenAPI document, and a page to read and try it that needs nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from litestar import MediaType, Request, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Tag

import dalsegno
from dalsegno.server.reference.document import finish

PATH = "/api/docs"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_DESCRIPTION = """The API of Dalsegno: what ran, what runs, and what to do about it.

Lists come in pages: send `next_cursor` as `cursor` to go on. No request looks at more than a bounded number of rows;
where `complete` is false, looking stopped there and goes on with the next page. Errors are problem details (RFC 9457).
Times are in UTC; ids are UUIDs in the order of time."""
_TAGS = (
    Tag("Flow runs", "Runs of flows: find them, look at them, do something to them."),
    Tag("Task runs", "Runs of tasks."),
    Tag("Flows", "The flows that were run."),
    Tag("Logs", "What runs wrote to their logs."),
    Tag("Artifacts", "What runs left for people to look at."),
    Tag("Variables", "Named values that flows share."),
    Tag("Concurrency limits", "How much is done at one time, and who waits."),
    Tag("Deployments", "Flows that can be asked for by name: what they are, when they run, and asking for a run."),
    Tag("Work pools", "Where runs of deployments wait, and the workers that execute them."),
    Tag("Live", "What changes, as it changes."),
    Tag("Access", "Who may use the server, and what they changed."),
    Tag("Server", "The server itself."),
)


class ReferencePage(OpenAPIRenderPlugin):
    """The page: a frame without content, which the script fills from the document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        return _text("reference.html").encode()


class DocumentFile(OpenAPIRenderPlugin):
    """The document itself."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=MediaType.JSON)
        self._encoded: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document."""
        if self._encoded is None:
            self._encoded = msgspec.json.encode(finish(openapi_schema))
        return self._encoded


@get("/reference.js", media_type="text/javascript", include_in_schema=False, sync_to_thread=False)
def script() -> str:
    """Return the page's script."""
    return _text("reference.js")


@get("/reference.css", media_type=MediaType.CSS, include_in_schema=False, sync_to_thread=False)
def style() -> str:
    """Return the page's style."""
    return _text("reference.css")


def openapi_config() -> OpenAPIConfig:
    """Return what the OpenAPI document says beside the routes, and where it is served."""
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
    return OpenAPIConfig(
        title="Dalsegno",
        version=dalsegno.__version__,
        description=_DESCRIPTION,
        tags=list(_TAGS),
        use_handler_docstrings=True,
        render_plugins=[ReferencePage(path="/"), DocumentFile()],
        openapi_router=Router(
            PATH,
            route_handlers=[script, style],
            include_in_schema=False,
            response_headers=headers,
            before_request=_see_that_it_is_there,
        ),
    )


def _see_that_it_is_there(request: Request[Any, Any, Any]) -> None:
    # Litestar's own answer for what is none of the above is a page; ours are problem details.
    if "path" in request.path_params:
        raise NotFoundException(f"There is no {request.scope['path']}: the reference is at {PATH}.")


@cache
def _text(name: str) -> str:
    return files("dalsegno.server.reference").joinpath(name).read_text(encoding="utf-8")
