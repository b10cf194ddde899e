"""What is done to flow runs: to one, and to many that ids or a filter name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dalsegno.client.calls import Call, Id, change, id_of
from dalsegno.client.operation import operation
from dalsegno.model.resources.commands import (
    BulkAnswer,
    BulkRequest,
    BulkSetState,
    CancelledFlowRun,
    PausedFlowRun,
    ResumedFlowRun,
    ResumeFlowRun,
    SetFlowRunState,
)
from dalsegno.model.resources.filters import FlowRunFilter
from dalsegno.model.resources.flow_runs import FlowRun


class FlowRunCommands:
    """Operations that change flow runs.

    Those on many take `ids` or a `filter`, one of the two, do at most `limit` runs, and give for each what became of
    it; `next_cursor` of the answer as `cursor` goes on. With `dry_run` nothing is done, only told.
    """

    @operation
    def cancel_flow_run(self, id: Id) -> Call[CancelledFlowRun]:
        """Cancel a flow run: at once where nobody executes it; else it is asked to stop."""
        return change("POST", f"flow-runs/{id_of(id)}/cancel", CancelledFlowRun)

    @operation
    def pause_flow_run(self, id: Id) -> Call[PausedFlowRun]:
        """Have a flow run wait in its process before its next task, until it is resumed. Raises StateConflict."""
        return change("POST", f"flow-runs/{id_of(id)}/pause", PausedFlowRun)

    @operation
    def suspend_flow_run(self, id: Id) -> Call[PausedFlowRun]:
        """Have a flow run give its process back before its next task, until it is resumed. Raises StateConflict."""
        return change("POST", f"flow-runs/{id_of(id)}/suspend", PausedFlowRun)

    @operation
    def resume_flow_run(
        self, id: Id, input: dict[str, Any] | None = None, *, key: str | None = None
    ) -> Call[ResumedFlowRun]:
        """Have a flow run that waits go on, with the input that it asks for.

        `key` names one of its pauses, where there are several. Raises StateConflict or InvalidInput.
        """
        request = ResumeFlowRun(input=input, key=key)
        return change("POST", f"flow-runs/{id_of(id)}/resume", ResumedFlowRun, request)

    @operation
    def delete_flow_run(self, id: Id) -> Call[None]:
        """Delete a flow run that has ended, with all that belongs to it. Raises RunIsAlive."""
        return change("DELETE", f"flow-runs/{id_of(id)}", type(None))

    @operation
    def set_flow_run_state(self, id: Id, state: SetFlowRunState) -> Call[FlowRun]:
        """Put a flow run into a state that ends it. Raises RunIsAlive or StateConflict unless `state.force`."""
        return change("POST", f"flow-runs/{id_of(id)}/set-state", FlowRun, state)

    @operation
    def retry_flow_run(self, id: Id) -> Call[FlowRun]:
        """Have the server see to it that a flow run is picked up where it stopped.

        One that was called in a script is refused, with the command that does it there.
        """
        return change("POST", f"flow-runs/{id_of(id)}/retry", FlowRun)

    @operation
    def cancel_flow_runs(
        self,
        *,
        ids: Iterable[Id] | None = None,
        filter: FlowRunFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
        dry_run: bool = False,
    ) -> Call[BulkAnswer]:
        """Cancel flow runs."""
        return _bulk("cancel", BulkRequest(**_named(ids, filter, limit, cursor, dry_run)))

    @operation
    def delete_flow_runs(
        self,
        *,
        ids: Iterable[Id] | None = None,
        filter: FlowRunFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
        dry_run: bool = False,
    ) -> Call[BulkAnswer]:
        """Delete flow runs that have ended, with all that belongs to them."""
        return _bulk("delete", BulkRequest(**_named(ids, filter, limit, cursor, dry_run)))

    @operation
    def set_flow_run_states(
        self,
        state: SetFlowRunState,
        *,
        ids: Iterable[Id] | None = None,
        filter: FlowRunFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
        dry_run: bool = False,
    ) -> Call[BulkAnswer]:
        """Put flow runs into a state that ends them."""
        return _bulk("set-state", BulkSetState(state=state, **_named(ids, filter, limit, cursor, dry_run)))

    @operation
    def retry_flow_runs(
        self,
        *,
        ids: Iterable[Id] | None = None,
        filter: FlowRunFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
        dry_run: bool = False,
    ) -> Call[BulkAnswer]:
        """Have flow runs picked up where they stopped."""
        return _bulk("retry", BulkRequest(**_named(ids, filter, limit, cursor, dry_run)))


def _named(
    ids: Iterable[Id] | None, filter: FlowRunFilter | None, limit: int, cursor: str | None, dry_run: bool
) -> dict[str, Any]:
    return {
        "ids": None if ids is None else [id_of(id) for id in ids],
        "filter": filter,
        "limit": limit,
        "cursor": cursor,
        "dry_run": dry_run,
    }


def _bulk(what: str, request: BulkRequest) -> Call[BulkAnswer]:
    return change("POST", f"flow-runs/bulk/{what}", BulkAnswer, request, repeatable=request.dry_run)
