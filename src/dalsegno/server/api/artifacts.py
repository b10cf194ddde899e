"""`/api/artifacts`: what runs left for people to look at: all of them, the newest of each key, one."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, Response, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from dalsegno._store import artifacts
from dalsegno._store.connection import Connection
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.artifacts import Artifact, ArtifactChange, ArtifactPage, to_artifact
from dalsegno.model.resources.filters import LONGEST_TEXT
from dalsegno.model.resources.values import to_id
from dalsegno.model.views import ArtifactView, Page
from dalsegno.server.api.variables import IfMatch
from dalsegno.server.asking import read, write
from dalsegno.server.clock import now
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.etags import check_if_match
from dalsegno.server.parameters import PAGING, CursorParameter, Id, LimitParameter, Paging
from dalsegno.server.problems import PreconditionFailed

_KIND = "artifacts"
_LATEST = "latest-artifacts"
_TAGS = ["Artifacts"]


@get("/api/artifacts", operation_id="list_artifacts", tags=_TAGS, dependencies=PAGING)
async def list_artifacts(
    request: Request[Any, Any, Any],
    paging: NamedDependency[Paging],
    key: Annotated[
        str | None, QueryParameter(name="key", description="All versions of this key.", max_length=LONGEST_TEXT)
    ] = None,
    flow_run_id: Annotated[
        uuid.UUID | None, QueryParameter(name="flow-run-id", description="Left by this flow run.")
    ] = None,
    task_run_id: Annotated[
        uuid.UUID | None, QueryParameter(name="task-run-id", description="Left by this task run.")
    ] = None,
) -> ArtifactPage:
    """Return a page of artifacts, newest first unless `order` says otherwise."""
    page = paging.page(_KIND)
    found = await read(
        request,
        artifacts.list_artifacts,
        key=key,
        flow_run_id=None if flow_run_id is None else flow_run_id.bytes,
        task_run_id=None if task_run_id is None else task_run_id.bytes,
        latest_only=False,
        page=Page(limit=page.limit + 1, after=page.after, oldest_first=page.oldest_first),
    )
    more = len(found) > page.limit
    return ArtifactPage(
        items=[to_artifact(each) for each in found[: page.limit]],
        next_cursor=write_cursor(_KIND, to_id(found[page.limit - 1].id)) if more else None,
    )


@get("/api/artifacts/latest", operation_id="list_latest_artifacts", tags=_TAGS)
async def list_latest_artifacts(
    request: Request[Any, Any, Any], limit: LimitParameter = 50, cursor: CursorParameter = None
) -> ArtifactPage:
    """Return a page of the newest artifact of each key, by key."""
    found = await read(request, artifacts.latest_artifacts, read_cursor(_LATEST, cursor, str), limit + 1)
    more = len(found) > limit
    return ArtifactPage(
        items=[to_artifact(each) for each in found[:limit]],
        next_cursor=write_cursor(_LATEST, found[limit - 1].key) if more else None,
    )


@get("/api/artifacts/{id:uuid}", operation_id="read_artifact", tags=_TAGS)
async def read_artifact(request: Request[Any, Any, Any], id: Id) -> Response[Artifact]:
    """Return an artifact; its ETag says which version of it that is."""
    return _answer(await read(request, _find, id))


@patch("/api/artifacts/{id:uuid}", operation_id="change_artifact", tags=_TAGS, status_code=200)
async def change_artifact(
    request: Request[Any, Any, Any], id: Id, data: JSONBody[ArtifactChange], if_match: IfMatch = None
) -> Response[Artifact]:
    """Give an artifact another description."""
    return _answer(await write(request, _change, id, data, if_match))


def _find(connection: Connection, id: uuid.UUID) -> ArtifactView:
    found = artifacts.read_artifact(connection, id.bytes)
    if found is None:
        raise ObjectNotFound(f"There is no artifact {id}.")
    return found


def _change(connection: Connection, id: uuid.UUID, data: ArtifactChange, if_match: str | None) -> ArtifactView:
    found = _find(connection, id)
    check_if_match(if_match, found.updated)
    moment = max(now(), found.updated + 1)
    if not artifacts.describe_artifact(connection, id.bytes, data.description, found.updated, moment):
        raise PreconditionFailed("It was changed in this moment: read it again and decide anew.")
    return _find(connection, id)


def _answer(artifact: ArtifactView) -> Response[Artifact]:
    found = to_artifact(artifact)
    return Response(found, headers={"etag": found.etag})


routes = [list_artifacts, list_latest_artifacts, read_artifact, change_artifact]
