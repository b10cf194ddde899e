"""Workers, as the API shows them: who takes runs and executes them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.pools import WorkerView
from dalsegno.model.resources.values import to_id, to_time


class Worker(msgspec.Struct, kw_only=True):
    """A worker, or a script that serves deployments of its own."""

    process_id: Annotated[uuid.UUID, Meta(description="Our own id of its process.")]
    name: Annotated[str, Meta(description="Its name, for people.")]
    type: Annotated[str, Meta(description="What it gives to runs.")]
    work_pool_name: Annotated[str | None, Meta(description="Its pool; null: it serves deployments of its own.")]
    queues: Annotated[list[str], Meta(description="The queues that it serves; empty: all of its pool.")]
    deployments: Annotated[list[uuid.UUID], Meta(description="The deployments that it serves.")]
    host: Annotated[str, Meta(description="The name of its machine.")]
    pid: Annotated[int, Meta(description="Its number on that machine.")]
    version: Annotated[str, Meta(description="Its version of Dalsegno.")]
    limit: Annotated[int | None, Meta(description="How many runs it executes at one time.")]
    running: Annotated[int, Meta(description="How many it executes now.")]
    draining: Annotated[bool, Meta(description="It takes no more runs, and ends after those that it has.")]
    started: Annotated[datetime, Meta(description="Since when it is there.")]
    last_seen: Annotated[datetime, Meta(description="When it was last heard of.")]
    online: Annotated[bool, Meta(description="It was heard of lately enough.")]


class WorkerList(msgspec.Struct, kw_only=True):
    """Workers."""

    items: Annotated[list[Worker], Meta(description="The workers, the newest first; up to 1,000.")]


def to_worker(view: WorkerView) -> Worker:
    """Return a worker of the store as the API shows it."""
    values = msgspec.structs.asdict(view.worker)
    values["process_id"] = to_id(view.worker.process_id)
    values["deployments"] = [to_id(id) for id in view.worker.deployments]
    return Worker(started=to_time(view.started), last_seen=to_time(view.last_seen), online=view.online, **values)
