"""Tasks in the background: asking for a task run, claiming those that wait, and keeping claims."""

from __future__ import annotations

import msgspec

from dalsegno.model.records import ProcessRecord, ResultBlob, TaskDefinition, TaskRunSnapshot


class RequestTask(msgspec.Struct, kw_only=True):
    """Asks for a task run, for whoever serves its task. Asking twice is asking once."""

    task: TaskDefinition
    snapshot: TaskRunSnapshot
    """Of a run outside of flows, Scheduled."""
    parameters: bytes
    """A packed result that holds the dict of parameters."""
    blob: ResultBlob | None = None
    """What `parameters` refers to."""
    max_recoveries: int = 3
    """How often it is executed again when whoever executes it is gone."""


class ClaimTasks(msgspec.Struct, kw_only=True):
    """Asks for task runs that wait, the earliest first."""

    process: ProcessRecord
    holder: str
    """The name of who claims, for people."""
    task_keys: list[str]
    limit: int = 1


class ClaimedTask(msgspec.Struct, kw_only=True):
    """A task run that was claimed: it is executed under this attempt, as long as the lease is renewed."""

    task_run_id: bytes
    task_key: str
    attempt: int
    """It fences all earlier ones."""
    claimed: int
    """When it became Pending."""
    parameters: bytes
    run_count: int
    """How often its body was started before."""
    start_time: int | None
    extra: bytes | None
    upstream: bytes | None


class HeldTasks(msgspec.Struct, kw_only=True):
    """The answer to a renewal."""

    lost: list[bytes] = []
    """What others execute now, or nobody any more: whoever asked must stop it."""
    lease: float = 30.0
    """Seconds for which the rest was renewed."""
