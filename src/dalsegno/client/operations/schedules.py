"""When deployments run: their schedules, what is coming, and what is made up for."""

from __future__ import annotations

from datetime import datetime

from dalsegno.client.calls import Call, Id, change, get, id_of
from dalsegno.client.operation import operation
from dalsegno.model.resources.schedules import (
    BackfillAnswer,
    BackfillNew,
    Schedule,
    ScheduleChange,
    ScheduleList,
    ScheduleNewOfDeployment,
    UpcomingTicks,
)


class ScheduleOperations:
    """Operations on the schedules of a deployment. They raise ObjectNotFound."""

    @operation
    def read_schedules(self, deployment_id: Id) -> Call[ScheduleList]:
        """Return all schedules of a deployment."""
        return get(f"{_path(deployment_id)}/schedules", ScheduleList)

    @operation
    def read_schedule(self, deployment_id: Id, id: Id) -> Call[Schedule]:
        """Return a schedule of a deployment."""
        return get(_item(deployment_id, id), Schedule)

    @operation
    def create_schedule(self, deployment_id: Id, schedule: ScheduleNewOfDeployment) -> Call[Schedule]:
        """Make a schedule by hand: it stays when the code is deployed anew. Raises ObjectAlreadyExists."""
        return change("POST", f"{_path(deployment_id)}/schedules", Schedule, schedule)

    @operation
    def update_schedule(self, deployment_id: Id, id: Id, changed: ScheduleChange) -> Call[Schedule]:
        """Change a schedule by hand; `active` pauses and resumes it."""
        return change("PATCH", _item(deployment_id, id), Schedule, changed)

    @operation
    def delete_schedule(self, deployment_id: Id, id: Id) -> Call[None]:
        """Delete a schedule; runs that it has made stay."""
        return change("DELETE", _item(deployment_id, id), type(None))

    @operation
    def read_upcoming_ticks(
        self, deployment_id: Id, *, from_: datetime | None = None, until: datetime | None = None, limit: int = 50
    ) -> Call[UpcomingTicks]:
        """Return when the active schedules of a deployment will have it run, in the next year unless `until` is
        given."""
        query = {"start": from_, "end": until, "limit": limit}
        return get(f"{_path(deployment_id)}/upcoming", UpcomingTicks, query)

    @operation
    def backfill_deployment(self, deployment_id: Id, backfill: BackfillNew) -> Call[BackfillAnswer]:
        """Ask for the runs that a deployment should have had in a span of time, each once."""
        return change("POST", f"{_path(deployment_id)}/backfill", BackfillAnswer, backfill, repeatable=True)


def _path(deployment_id: Id) -> str:
    return f"deployments/{id_of(deployment_id)}"


def _item(deployment_id: Id, id: Id) -> str:
    return f"{_path(deployment_id)}/schedules/{id_of(id)}"
