"""`/api/deployments`: flows that can be asked for by name. Their schedules: `schedules`; their runs:
`deployment_runs`.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from dalsegno import _scheduling as scheduling
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.deployments import DeploymentFilter, DeploymentView
from dalsegno.model.resources.deployments import (
    DeployedVersionList,
    Deployment,
    DeploymentNew,
    DeploymentPage,
    DeploymentPatch,
    Rollback,
    from_new_deployment,
    from_patch,
    to_deployment,
    to_version,
)
from dalsegno.model.resources.schedules import to_schedule
from dalsegno.model.resources.values import to_id
from dalsegno.server.asking import ask
from dalsegno.server.cursors import write_cursor
from dalsegno.server.etags import check_if_match
from dalsegno.server.packing import check_packable
from dalsegno.server.parameters import PAGING, Id, Paging, TextList, texts

PATH = "/api/deployments"
TAGS = ["Deployments"]
_KIND = "deployments"
_MOST_VERSIONS = 200
_Any = Request[Any, Any, Any]
_Named = Annotated[str, PathParameter(description="The flow's name.")]
_Deployed = Annotated[str, PathParameter(description="The deployment's name.")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="if-match", description="Only if its ETag is still this one.", max_length=1000)
]


@get(PATH, operation_id="list_deployments", tags=TAGS, dependencies=PAGING)
async def list_deployments(
    request: _Any,
    paging: NamedDependency[Paging],
    flow_name: Annotated[TextList, texts("flow-name", "Of one of these flows; may be repeated.")] = None,
    name: Annotated[TextList, texts("name", "With one of these names.")] = None,
    name_like: Annotated[
        str | None,
        QueryParameter(name="name-like", description="`flow/deployment` holds this.", max_length=1000),
    ] = None,
    tag: Annotated[TextList, texts("tag", "With all of these tags.")] = None,
    work_pool_name: Annotated[TextList, texts("work-pool-name", "Of one of these work pools.")] = None,
    paused: Annotated[bool | None, QueryParameter(name="paused", description="Whether it is paused.")] = None,
) -> DeploymentPage:
    """Return a page of deployments, newest first unless `order` says otherwise."""
    page = paging.page(_KIND)
    filter = DeploymentFilter(
        flow_names=flow_name or [],
        names=name or [],
        name_like=name_like,
        tags=tag or [],
        work_pool_names=work_pool_name or [],
        paused=paused,
    )
    limit, page.limit = page.limit, page.limit + 1
    found = await ask(request, _backend(request).list_deployments, filter, page)
    return DeploymentPage(
        items=[shown(each) for each in found[:limit]],
        next_cursor=write_cursor(_KIND, to_id(found[limit - 1].id)) if len(found) > limit else None,
    )


@put(PATH, operation_id="apply_deployment", tags=TAGS, status_code=200)
async def apply_deployment(request: _Any, data: JSONBody[DeploymentNew]) -> Response[Deployment]:
    """Deploy: make a deployment, or bring it to what is said now, but for what was changed by hand since."""
    check_packable(data)
    return answer(await ask(request, _backend(request).apply_deployment, from_new_deployment(data)))


@get(PATH + "/{id:uuid}", operation_id="read_deployment", tags=TAGS)
async def read_deployment(request: _Any, id: Id) -> Response[Deployment]:
    """Return a deployment; its ETag says which version of it that is."""
    return answer(await ask(request, _backend(request).read_deployment, id.bytes))


@get(PATH + "/name/{flow:str}/{deployment:str}", operation_id="find_deployment", tags=TAGS)
async def find_deployment(request: _Any, flow: _Named, deployment: _Deployed) -> Response[Deployment]:
    """Return the deployment of a name."""
    found = await ask(request, _backend(request).find_deployment, flow, deployment)
    if found is None:
        raise ObjectNotFound(f"There is no deployment '{flow}/{deployment}'.")
    return answer(found)


@patch(PATH + "/{id:uuid}", operation_id="update_deployment", tags=TAGS)
async def update_deployment(
    request: _Any, id: Id, data: JSONBody[DeploymentPatch], if_match: IfMatch = None
) -> Response[Deployment]:
    """Change a deployment by hand, which outlasts the next deploying of its code; pause and resume its schedules."""
    check_packable(data)

    def check(updated: int) -> None:
        check_if_match(if_match, updated)

    return answer(await ask(request, _backend(request).update_deployment, id.bytes, from_patch(data), check))


@delete(PATH + "/{id:uuid}", operation_id="delete_deployment", tags=TAGS)
async def delete_deployment(request: _Any, id: Id) -> None:
    """Delete a deployment with its schedules; its runs stay, but those that wait are cancelled."""
    if not await ask(request, _backend(request).delete_deployment, id.bytes):
        raise ObjectNotFound(f"There is no deployment {id}.")


@get(PATH + "/{id:uuid}/versions", operation_id="list_deployment_versions", tags=TAGS)
async def list_versions(request: _Any, id: Id) -> DeployedVersionList:
    """Return what was deployed, the newest first, up to 200 versions."""
    backend = _backend(request)
    await ask(request, backend.read_deployment, id.bytes)
    found = await ask(request, backend.list_deployment_versions, id.bytes, _MOST_VERSIONS)
    return DeployedVersionList(items=[to_version(each) for each in found])


@post(PATH + "/{id:uuid}/rollback", operation_id="roll_back_deployment", tags=TAGS, status_code=200)
async def roll_back(request: _Any, id: Id, data: JSONBody[Rollback]) -> Response[Deployment]:
    """Bring a deployment back to a version of it, as a new version."""
    return answer(await ask(request, _backend(request).roll_back_deployment, id.bytes, data.number))


def shown(view: DeploymentView) -> Deployment:
    """Return a deployment as the API shows it."""
    return to_deployment(view, [to_schedule(each, scheduling.in_words(each.spec)) for each in view.schedules])


def answer(view: DeploymentView) -> Response[Deployment]:
    """Return a deployment with its ETag."""
    found = shown(view)
    return Response(found, status_code=200, headers={"etag": found.etag})


def _backend(request: _Any) -> StoreBackend:
    return request.app.state.backend


routes = [
    list_deployments,
    apply_deployment,
    read_deployment,
    find_deployment,
    update_deployment,
    delete_deployment,
    list_versions,
    roll_back,
]
