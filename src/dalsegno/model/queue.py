"""Asking for runs and claiming them: what the queue is told and what it tells."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dalsegno.model.deployments import ClaimedDeployment
from dalsegno.model.records import EntryPoint, FlowDefinition, FlowRunSnapshot, ProcessRecord


class RequestRun(msgspec.Struct, kw_only=True):
    """Asks for a run: one that exists and is Scheduled or has ended, or with `snapshot` and `flow` a new one.

    Asking twice is asking once, as long as it waits.
    """

    flow_run_id: bytes
    due: int | None = None
    """It is not claimed earlier (microseconds); None: now."""
    priority: int = 0
    """Higher goes first."""
    on_crash: Literal["resume", "fail"] = "resume"
    """Whether it is queued again when the lease of its claim ends."""
    max_recoveries: int = 3
    recovery_delay: float = 1.0
    """Seconds before the first recovery; twice as long before each further one, and jittered."""
    snapshot: FlowRunSnapshot | None = None
    flow: FlowDefinition | None = None


class ClaimRuns(msgspec.Struct, kw_only=True):
    """Asks for runs that wait: the most urgent ones, or those that are named, even if they are not due."""

    process: ProcessRecord
    """Which claims."""
    holder: str
    """The name of who claims, for people."""
    limit: int = 1
    pool: str | None = None
    """Of this work pool."""
    queues: list[str] = []
    """Of these queues of the pool; empty: of all."""
    deployments: list[bytes] = []
    """Without a pool: of these deployments, which have none either."""
    only: list[bytes] = []


class ClaimedRun(msgspec.Struct, kw_only=True):
    """A run that was claimed: whoever claimed it executes it under this attempt, as long as the lease is renewed."""

    flow_run_id: bytes
    attempt: int
    """It fences all earlier ones."""
    lease: float
    """Seconds."""
    entry: EntryPoint | None = None
    deployment: ClaimedDeployment | None = None
    job_template: dict[str, Any] = {}
    """That of the pool that it was claimed from."""
