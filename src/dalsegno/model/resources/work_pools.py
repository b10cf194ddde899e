"""Work pools, as the API shows them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalsegno.model.pools import NewPool, PoolChange, PoolStatus, PoolView
from dalsegno.model.resources.values import to_id, to_time

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern="^[^/%&<>]+$")]
Text = Annotated[str, Meta(max_length=10_000)]
Slots = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_NAME = "Its name."
_TYPE = "What its workers give to runs: `process` is a process on the worker's machine."
_DESCRIPTION = "What it is for."
_TEMPLATE = "`job_configuration` with `{{ placeholders }}`, and `variables`: the JSON schema of what may fill them."
_LIMIT = "How many of its runs there are at one time; null: there is no limit."
_PAUSED = "Whether nothing of it starts."


class WorkPool(msgspec.Struct, kw_only=True):
    """A work pool: runs that wait, in queues, and workers that execute them."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    name: Annotated[str, Meta(description=_NAME)]
    type: Annotated[str, Meta(description=_TYPE)]
    description: Annotated[str | None, Meta(description=_DESCRIPTION)]
    base_job_template: Annotated[dict[str, Any], Meta(description=_TEMPLATE)]
    concurrency_limit: Annotated[int | None, Meta(description=_LIMIT)]
    paused: Annotated[bool, Meta(description=_PAUSED)]
    status: Annotated[PoolStatus, Meta(description="`READY`: it has a worker; `NOT_READY`: none; `PAUSED`.")]
    running: Annotated[int, Meta(description="How many of its runs a worker has.")]
    waiting: Annotated[int, Meta(description="How many are due and wait, counted up to 10,000.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]


class WorkPoolPage(msgspec.Struct, kw_only=True):
    """A page of work pools."""

    items: Annotated[list[WorkPool], Meta(description="The pools, by name.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class WorkPoolNew(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A work pool to be made."""

    name: Annotated[Name, Meta(description=_NAME)]
    type: Annotated[Name, Meta(description=_TYPE)] = "process"
    description: Annotated[Text | None, Meta(description=_DESCRIPTION)] = None
    base_job_template: Annotated[dict[str, Any], Meta(description=_TEMPLATE)] = {}
    concurrency_limit: Annotated[Slots | None, Meta(description=_LIMIT)] = None
    paused: Annotated[bool, Meta(description=_PAUSED)] = False


class WorkPoolChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a work pool; what is left out stays."""

    description: Annotated[Text | UnsetType | None, Meta(description=_DESCRIPTION)] = UNSET
    base_job_template: Annotated[dict[str, Any] | UnsetType, Meta(description=_TEMPLATE)] = UNSET
    concurrency_limit: Annotated[Slots | UnsetType | None, Meta(description=_LIMIT)] = UNSET
    paused: Annotated[bool | UnsetType, Meta(description=_PAUSED)] = UNSET


def to_work_pool(view: PoolView) -> WorkPool:
    """Return a pool of the store as the API shows it."""
    values = msgspec.structs.asdict(view)
    values |= {"id": to_id(view.id), "created": to_time(view.created), "updated": to_time(view.updated)}
    return WorkPool(**values)


def from_new_pool(new: WorkPoolNew) -> NewPool:
    """Return what the store is told of a new pool."""
    return NewPool(**msgspec.structs.asdict(new))


def from_pool_change(change: WorkPoolChange) -> PoolChange:
    """Return what the store is told of a change."""
    return PoolChange(**msgspec.structs.asdict(change))
