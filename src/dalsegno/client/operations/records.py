"""What runs leave behind: flows, logs, artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dalsegno.client.calls import Call, Id, Pages, change, get, id_of, segment
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.artifacts import Artifact, ArtifactChange, ArtifactPage
from dalsegno.model.resources.commands import MOST_ITEMS, Order
from dalsegno.model.resources.flows import Flow, FlowPage
from dalsegno.model.resources.logs import Log, LogPage

_MOST_LINES = 1_000


class RecordOperations:
    """Operations on flows, logs and artifacts."""

    @operation
    def read_flow(self, name: str) -> Call[Flow]:
        """Return a flow by its name. Raises ObjectNotFound."""
        return get(f"flows/{segment(name)}", Flow)

    @operation
    def read_flows(self, *, limit: int = 50, cursor: str | None = None) -> Call[FlowPage]:
        """Return a page of the flows that were run, by name."""
        return get("flows", FlowPage, {"limit": limit, "cursor": cursor})

    @listing
    def iterate_flows(self) -> Pages[Flow]:
        """Iterate over all flows that were run, by name."""
        return Pages(lambda at: get("flows", FlowPage, {"limit": MOST_ITEMS, "cursor": at}))

    @operation
    def read_logs(
        self,
        *,
        flow_run_id: Id | None = None,
        task_run_id: Id | None = None,
        min_level: int = 0,
        max_level: int | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        text: str | None = None,
        order: Order = Order.OLDEST,
        limit: int = 200,
        cursor: str | None = None,
    ) -> Call[LogPage]:
        """Return a page of the log of a flow run, with all that is nested in it, or of a task run."""
        query = _of(flow_run_id, task_run_id) | {
            "min-level": min_level,
            "max-level": max_level,
            "after": after,
            "before": before,
            "text": text,
            "order": order,
        }
        return get("logs", LogPage, query | {"limit": limit, "cursor": cursor})

    @listing
    def iterate_logs(
        self,
        *,
        flow_run_id: Id | None = None,
        task_run_id: Id | None = None,
        min_level: int = 0,
        order: Order = Order.OLDEST,
    ) -> Pages[Log]:
        """Iterate over the whole log of a flow run or of a task run."""
        query = _of(flow_run_id, task_run_id) | {"min-level": min_level, "order": order, "limit": _MOST_LINES}
        return Pages(lambda at: get("logs", LogPage, query | {"cursor": at}))

    @operation
    def read_artifact(self, id: Id) -> Call[Artifact]:
        """Return an artifact. Raises ObjectNotFound."""
        return get(f"artifacts/{id_of(id)}", Artifact)

    @operation
    def read_artifacts(
        self,
        *,
        key: str | None = None,
        flow_run_id: Id | None = None,
        task_run_id: Id | None = None,
        order: Order = Order.NEWEST,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Call[ArtifactPage]:
        """Return a page of artifacts."""
        query = _of(flow_run_id, task_run_id) | {"key": key, "order": order}
        return get("artifacts", ArtifactPage, query | {"limit": limit, "cursor": cursor})

    @listing
    def iterate_artifacts(
        self,
        *,
        key: str | None = None,
        flow_run_id: Id | None = None,
        task_run_id: Id | None = None,
        order: Order = Order.NEWEST,
    ) -> Pages[Artifact]:
        """Iterate over all artifacts that fit."""
        query = _of(flow_run_id, task_run_id) | {"key": key, "order": order, "limit": MOST_ITEMS}
        return Pages(lambda at: get("artifacts", ArtifactPage, query | {"cursor": at}))

    @operation
    def read_latest_artifacts(self, *, limit: int = 50, cursor: str | None = None) -> Call[ArtifactPage]:
        """Return a page of the newest artifact of each key, by key."""
        return get("artifacts/latest", ArtifactPage, {"limit": limit, "cursor": cursor})

    @operation
    def change_artifact(self, id: Id, description: str | None, *, if_match: str | None = None) -> Call[Artifact]:
        """Give an artifact another description; with its `etag` as `if_match` only if nobody else changed it."""
        body = ArtifactChange(description=description)
        return change("PATCH", f"artifacts/{id_of(id)}", Artifact, body, if_match=if_match)


def _of(flow_run_id: Id | None, task_run_id: Id | None) -> dict[str, Any]:
    return {
        "flow-run-id": None if flow_run_id is None else id_of(flow_run_id),
        "task-run-id": None if task_run_id is None else id_of(task_run_id),
    }
