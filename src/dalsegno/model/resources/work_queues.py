"""Queues of work pools, as the API shows them, and why what waits there waits."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalsegno.model.pools import NewQueue, QueueChange, QueueView
from dalsegno.model.resources.values import to_id, to_optional_time, to_time
from dalsegno.model.resources.work_pools import Name, Slots, Text

Rank = Annotated[int, Meta(ge=1, le=2**31 - 1)]

_NAME = "Its name in the pool."
_DESCRIPTION = "What it is for."
_PRIORITY = "1 goes first: a queue is served when those before it have nothing that may start."
_LIMIT = "How many of its runs there are at one time; null: there is no limit."
_PAUSED = "Whether nothing of it starts."


class WorkQueue(msgspec.Struct, kw_only=True):
    """A queue of a work pool."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    work_pool_name: Annotated[str, Meta(description="The pool.")]
    name: Annotated[str, Meta(description=_NAME)]
    description: Annotated[str | None, Meta(description=_DESCRIPTION)]
    priority: Annotated[int, Meta(description=_PRIORITY)]
    concurrency_limit: Annotated[int | None, Meta(description=_LIMIT)]
    paused: Annotated[bool, Meta(description=_PAUSED)]
    running: Annotated[int, Meta(description="How many of its runs a worker has.")]
    waiting: Annotated[int, Meta(description="How many are due and wait, counted up to 10,000.")]
    last_polled: Annotated[datetime | None, Meta(description="When a worker last looked there; null: never.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]


class WorkQueueList(msgspec.Struct, kw_only=True):
    """Queues of work pools."""

    items: Annotated[list[WorkQueue], Meta(description="The queues by pool, in the order in which they are served.")]


class WorkQueueNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A queue to be made."""

    name: Annotated[Name, Meta(description=_NAME)]
    description: Annotated[Text | None, Meta(description=_DESCRIPTION)] = None
    priority: Annotated[Rank, Meta(description=_PRIORITY)] = 1
    concurrency_limit: Annotated[Slots | None, Meta(description=_LIMIT)] = None
    paused: Annotated[bool, Meta(description=_PAUSED)] = False


class WorkQueueChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a queue; what is left out stays."""

    description: Annotated[Text | UnsetType | None, Meta(description=_DESCRIPTION)] = UNSET
    priority: Annotated[Rank | UnsetType, Meta(description=_PRIORITY)] = UNSET
    concurrency_limit: Annotated[Slots | UnsetType | None, Meta(description=_LIMIT)] = UNSET
    paused: Annotated[bool | UnsetType, Meta(description=_PAUSED)] = UNSET


class WaitReasons(msgspec.Struct, kw_only=True):
    """Why a run waits."""

    reasons: Annotated[
        list[str], Meta(description="In words, the most important one first; empty: it does not wait in the queue.")
    ]


class NewPriority(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which runs go first."""

    priority: Annotated[int, Meta(description="Runs with a higher one go first.", ge=-(2**31), le=2**31 - 1)]


def to_work_queue(view: QueueView) -> WorkQueue:
    """Return a queue of the store as the API shows it."""
    values = msgspec.structs.asdict(view)
    values |= {
        "id": to_id(view.id),
        "last_polled": to_optional_time(view.last_polled),
        "created": to_time(view.created),
        "updated": to_time(view.updated),
    }
    return WorkQueue(**values)


def from_new_queue(pool: str, new: WorkQueueNew) -> NewQueue:
    """Return what the store is told of a new queue."""
    return NewQueue(work_pool_name=pool, **msgspec.structs.asdict(new))


def from_queue_change(change: WorkQueueChange) -> QueueChange:
    """Return what the store is told of a change."""
    return QueueChange(**msgspec.structs.asdict(change))
