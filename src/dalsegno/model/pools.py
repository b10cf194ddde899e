"""Work pools, their queues, and the workers that take runs from them. Plain structs, for the store and the API."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

DEFAULT_QUEUE = "default"
"""The queue that each pool has."""

PoolStatus: TypeAlias = Literal["READY", "NOT_READY", "PAUSED"]


class NewPool(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a work pool."""

    name: str
    type: str = "process"
    description: str | None = None
    base_job_template: dict[str, Any] = {}
    """``job_configuration`` with ``{{ placeholders }}``, and ``variables``: the JSON schema of what may fill them."""
    concurrency_limit: int | None = None
    paused: bool = False


class PoolChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to change of a pool; what is UNSET stays."""

    description: str | msgspec.UnsetType | None = msgspec.UNSET
    base_job_template: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    concurrency_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class PoolView(msgspec.Struct, kw_only=True):
    """A work pool."""

    id: bytes
    name: str
    type: str
    description: str | None
    base_job_template: dict[str, Any]
    concurrency_limit: int | None
    paused: bool
    status: PoolStatus
    running: int
    """Runs that are claimed."""
    waiting: int
    """Runs that are due and wait, counted up to 10,000."""
    created: int
    updated: int


class NewQueue(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a queue of a pool."""

    work_pool_name: str
    name: str
    description: str | None = None
    priority: int = 1
    """1 goes first; a queue is served when those before it have nothing that may start."""
    concurrency_limit: int | None = None
    paused: bool = False


class QueueChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to change of a queue; what is UNSET stays."""

    description: str | msgspec.UnsetType | None = msgspec.UNSET
    priority: int | msgspec.UnsetType = msgspec.UNSET
    concurrency_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class QueueView(msgspec.Struct, kw_only=True):
    """A queue of a work pool."""

    id: bytes
    work_pool_name: str
    name: str
    description: str | None
    priority: int
    concurrency_limit: int | None
    paused: bool
    running: int
    waiting: int
    last_polled: int | None
    """When somebody last looked for work there."""
    created: int
    updated: int


class WorkerRecord(msgspec.Struct, kw_only=True):
    """A worker, as it tells of itself."""

    process_id: bytes
    name: str
    type: str
    work_pool_name: str | None
    """None: it serves deployments of its own."""
    queues: list[str] = []
    """Names; empty: all of the pool."""
    deployments: list[bytes] = []
    """Those that it serves."""
    host: str
    pid: int
    version: str
    limit: int | None = None
    running: int = 0
    draining: bool = False


class WorkerView(msgspec.Struct, kw_only=True):
    """A worker as its readers see it."""

    worker: WorkerRecord
    started: int
    last_seen: int
    online: bool
