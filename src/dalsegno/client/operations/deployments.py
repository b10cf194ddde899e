"""Deployments, and asking for their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dalsegno.client.calls import Call, Id, Pages, change, get, id_of, segment
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS
from dalsegno.model.resources.deployments import (
    CreatedFlowRun,
    DeployedVersionList,
    Deployment,
    DeploymentFlowRunNew,
    DeploymentNew,
    DeploymentPage,
    DeploymentPatch,
    Rollback,
)
from dalsegno.model.resources.flow_runs import FlowRun
from dalsegno.model.resources.work_queues import NewPriority, WaitReasons


class DeploymentOperations:
    """Operations on deployments. With the `etag` of what was read as `if_match` nothing of anybody else is
    overwritten.
    """

    @operation
    def read_deployment(self, id: Id) -> Call[Deployment]:
        """Return a deployment. Raises ObjectNotFound."""
        return get(_path(id), Deployment)

    @operation
    def find_deployment(self, flow_name: str, name: str) -> Call[Deployment]:
        """Return the deployment of a flow that has a name. Raises ObjectNotFound."""
        return get(f"deployments/name/{segment(flow_name)}/{segment(name)}", Deployment)

    @operation
    def read_deployments(
        self,
        *,
        flow_names: list[str] | None = None,
        name_like: str | None = None,
        tags: list[str] | None = None,
        work_pool_names: list[str] | None = None,
        paused: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Call[DeploymentPage]:
        """Return a page of deployments, newest first."""
        query = _query(flow_names, name_like, tags, work_pool_names, paused)
        return get("deployments", DeploymentPage, query | {"limit": limit, "cursor": cursor})

    @listing
    def iterate_deployments(
        self,
        *,
        flow_names: list[str] | None = None,
        name_like: str | None = None,
        tags: list[str] | None = None,
        work_pool_names: list[str] | None = None,
        paused: bool | None = None,
    ) -> Pages[Deployment]:
        """Iterate over all deployments that fit, newest first."""
        query = _query(flow_names, name_like, tags, work_pool_names, paused)
        return Pages(lambda at: get("deployments", DeploymentPage, query | {"limit": MOST_ITEMS, "cursor": at}))

    @operation
    def apply_deployment(self, deployment: DeploymentNew) -> Call[Deployment]:
        """Deploy: make a deployment, or bring it to what is said now, but for what was changed by hand since."""
        return change("PUT", "deployments", Deployment, deployment, repeatable=True)

    @operation
    def update_deployment(self, id: Id, changed: DeploymentPatch, *, if_match: str | None = None) -> Call[Deployment]:
        """Change a deployment by hand, which outlasts the next deploying of its code. Raises ChangedMeanwhile."""
        return change("PATCH", _path(id), Deployment, changed, if_match=if_match)

    @operation
    def delete_deployment(self, id: Id) -> Call[None]:
        """Delete a deployment with its schedules; its runs stay, but those that wait are cancelled."""
        return change("DELETE", _path(id), type(None))

    @operation
    def read_deployment_versions(self, id: Id) -> Call[DeployedVersionList]:
        """Return what was deployed, the newest first."""
        return get(f"{_path(id)}/versions", DeployedVersionList)

    @operation
    def roll_back_deployment(self, id: Id, number: int) -> Call[Deployment]:
        """Bring a deployment back to a version of it, as a new version. Raises ObjectNotFound."""
        return change("POST", f"{_path(id)}/rollback", Deployment, Rollback(number=number))

    @operation
    def create_flow_run(
        self,
        id: Id,
        parameters: Mapping[str, Any] | None = None,
        *,
        job_variables: Mapping[str, Any] | None = None,
        name: str | None = None,
        scheduled_time: datetime | None = None,
        tags: Iterable[str] = (),
        idempotency_key: str | None = None,
        priority: int | None = None,
        work_queue_name: str | None = None,
        concurrency_key: str | None = None,
    ) -> Call[CreatedFlowRun]:
        """Ask for a run of a deployment; what is left out is as the deployment says.

        A second wish with the same `idempotency_key` gives the first one's run.
        """
        new = DeploymentFlowRunNew(
            parameters=dict(parameters or {}),
            job_variables=dict(job_variables or {}),
            name=name,
            scheduled_time=scheduled_time,
            tags=list(tags),
            idempotency_key=idempotency_key,
            priority=priority,
            work_queue_name=work_queue_name,
            concurrency_key=concurrency_key,
        )
        path = f"{_path(id)}/create-flow-run"
        return change("POST", path, CreatedFlowRun, new, repeatable=idempotency_key is not None)

    @operation
    def read_wait_reasons(self, id: Id) -> Call[WaitReasons]:
        """Return why a flow run waits, in words, the most important reason first."""
        return get(f"flow-runs/{id_of(id)}/wait-reasons", WaitReasons)

    @operation
    def set_flow_run_priority(self, id: Id, priority: int) -> Call[FlowRun]:
        """Change the priority of a flow run that waits in the queue. Raises StateConflict if it does not."""
        path = f"flow-runs/{id_of(id)}/priority"
        return change("PUT", path, FlowRun, NewPriority(priority=priority), repeatable=True)


def _path(id: Id) -> str:
    return f"deployments/{id_of(id)}"


def _query(
    flow_names: list[str] | None,
    name_like: str | None,
    tags: list[str] | None,
    work_pool_names: list[str] | None,
    paused: bool | None,
) -> dict[str, Any]:
    return {
        "flow-name": flow_names,
        "name-like": name_like,
        "tag": tags,
        "work-pool-name": work_pool_names,
        "paused": paused,
    }
