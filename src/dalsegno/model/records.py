"""The records of the upward stream: what the engine tells the store about runs, in batches of snapshots.

Times are microseconds since 1970 (UTC); ids are 16 raw bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno.model.texts import storable


class TaskDefinition(msgspec.Struct, frozen=True, array_like=True):
    """What does not differ between the runs of one version of a task; stored once, referred to by `id`."""

    id: int
    """63 bits of the hash of all the rest."""
    key: str
    """Identity across edits: module and qualified name; for lambdas and local functions with a hash of the code."""
    name: str
    version: str | None
    source_hash: str | None
    """Hex hash of the function's source; None where it cannot be read."""
    tags: tuple[str, ...]


class FlowDefinition(msgspec.Struct, frozen=True, array_like=True):
    """What does not differ between the runs of one version of a flow; stored once, referred to by `id`."""

    id: int
    name: str
    version: str | None
    source_hash: str | None
    description: str | None


class ProcessRecord(msgspec.Struct, frozen=True):
    """The operating system process that executes runs: enough to tell later whether it is still the same one."""

    id: bytes
    host: str
    pid: int
    start_time: float
    """Of the process, in seconds since boot where the system tells it (Linux), else since 1970."""
    boot_id: str | None
    pid_namespace: str | None
    user: str
    command: str


class EntryPoint(msgspec.Struct, frozen=True):
    """How to run the flow again: where its code is and under what it ran."""

    entrypoint: str | None
    """``"path/to/file.py:function"`` (absolute path) or ``"package.module:function"``; None in a notebook."""
    working_directory: str
    interpreter: str
    reason: str | None = None
    """Why there is no entry point, where there is none."""


class FlowRunSnapshot(msgspec.Struct, kw_only=True):
    """The newest picture of a flow run."""

    id: bytes
    root_run_id: bytes
    parent_flow_run_id: bytes | None = None
    parent_task_run_id: bytes | None = None
    """The task run that stands for a nested flow run in its parent."""
    flow_id: int
    name: str
    attempt: int
    version: int
    run_count: int
    state_type: int
    """A code of `model.states.STATE_CODES`."""
    state_name: str | None
    """None: the default name of the type."""
    states: bytes
    """A packed chunk with the states that were not yet acknowledged; the store appends it."""
    start_time: int | None = None
    end_time: int | None = None
    parameters: bytes | None = None
    """A packed result (model.results) that holds the dict of parameters; None: could not be stored."""
    parameters_text: str | None = None
    """JSON for people: what cannot be JSON stands as its repr."""
    tags: tuple[str, ...] = ()
    result: bytes | None = None
    entry: EntryPoint | None = None
    process_id: bytes | None = None
    forked_from: bytes | None = None
    """The root run whose completed calls this run started from."""
    extra: bytes | None = None


class TaskRunSnapshot(msgspec.Struct, array_like=True, gc=False):
    """The newest picture of a task run: one row."""

    id: bytes
    root_run_id: bytes
    """The root flow run; for a task outside flows its outermost task run."""
    flow_run_id: bytes | None
    """The flow run that it belongs to; None outside flows."""
    parent_task_run_id: bytes | None
    """The task run in whose body it was called. Its scope is this one, or else its flow run."""
    task_id: int
    attempt: int
    version: int
    run_count: int
    """How often its body was really started, over all attempts: with the id it is the execution id."""
    name: str | None
    """None: the default name, `default_task_run_name(task name, id)`."""
    fingerprint: bytes | None
    """Hash of its inputs; None: it can never be matched on replay."""
    state_type: int
    state_name: str | None
    states: bytes
    start_time: int | None
    end_time: int | None
    result: bytes | None
    upstream: bytes | None
    """Packed by `pack_upstream`."""
    child_flow_run_id: bytes | None
    """Where the task run stands for a nested flow run."""
    extra: bytes | None
    """msgpack map of what is rare: tags, cache_key, error, notes; None: nothing."""


class LogRecord(msgspec.Struct, array_like=True, gc=False):
    """One line of a run's log. Identified by (root_run_id, timestamp, nonce)."""

    root_run_id: bytes
    timestamp: int
    nonce: int
    """Differs between the lines of one microsecond, and between processes."""
    flow_run_id: bytes | None
    task_run_id: bytes | None
    level: int
    logger: str
    message: str


class ArtifactRecord(msgspec.Struct, kw_only=True):
    """Something that a run leaves for people to look at."""

    id: bytes
    type: str
    """``"markdown"``, ``"table"``, ``"link"``, ``"progress"`` or ``"image"``."""
    key: str | None
    data: str
    """JSON."""
    description: str | None
    root_run_id: bytes | None
    flow_run_id: bytes | None
    task_run_id: bytes | None
    created: int
    updated: int


class ResultBlob(msgspec.Struct, array_like=True, gc=False):
    """A middle-sized result: a row of the write-once table."""

    id: bytes
    root_run_id: bytes
    data: bytes


class Batch(msgspec.Struct, kw_only=True):
    """What one flush of a journal delivers; applied in one transaction."""

    attempts: dict[bytes, int]
    """The attempt under which each root run in the batch is written; one whose attempt has moved on is fenced."""
    recorded: list[bytes] = []
    """Those of the root runs that an earlier batch recorded: where one is missing now, it was deleted."""
    process_id: bytes | None = None
    """The process that sends it."""
    process: ProcessRecord | None = None
    """All about that process, with its first batch."""
    tasks: list[TaskDefinition] = []
    flows: list[FlowDefinition] = []
    flow_runs: list[FlowRunSnapshot] = []
    task_runs: list[TaskRunSnapshot] = []
    logs: list[LogRecord] = []
    artifacts: list[ArtifactRecord] = []
    blobs: list[ResultBlob] = []
    superseded: list[bytes] = []
    """Task runs of earlier attempts that the finished body did not come to again."""
    durable: bool = False
    """Commit with a full fsync."""


class Receipt(msgspec.Struct, kw_only=True):
    """The answer to a batch."""

    cancel: list[bytes] = []
    """Root flow runs that somebody wants to be cancelled."""
    pause: list[bytes] = []
    """Root flow runs that somebody wants to pause before their next task."""
    suspend: list[bytes] = []
    """Root flow runs that somebody wants to be suspended before their next task."""
    fenced: list[bytes] = []
    """Root flow runs whose attempt was ended: nothing of them was written, and they must stop."""
    lease: float = 30.0
    """Seconds for which the lease of what the process executes was renewed."""
    limited_tags: list[str] = []
    """Tags whose task runs need a slot before they start."""


_encode = msgspec.msgpack.Encoder().encode


def pack_upstream(links: list[tuple[str, bytes]]) -> bytes | None:
    """Pack the upstreams of a task run, as (parameter name, task run id); ``"wait_for"`` stands for that list."""
    return _encode(links) if links else None


def unpack_upstream(packed: bytes | None) -> list[tuple[str, bytes]]:
    """Return what `pack_upstream` packed."""
    return [] if packed is None else msgspec.msgpack.decode(packed, type=list[tuple[str, bytes]])


def default_task_run_name(task_name: str, task_run_id: bytes) -> str:
    """Return the name of a task run without a template: ``"say_hello-9f5"``."""
    return f"{task_name}-{task_run_id[-2:].hex()[1:]}"


def pack_extra(values: dict[str, Any]) -> bytes | None:
    """Pack what is rare about a run; values that are None or empty are left out."""
    kept = {name: value for name, value in values.items() if value not in (None, (), [], {}, "")}
    if not kept:
        return None
    try:
        return _encode(kept)
    except UnicodeEncodeError:
        return _encode(storable(kept))


def unpack_extra(packed: bytes | None) -> dict[str, Any]:
    """Return what `pack_extra` packed."""
    return {} if packed is None else msgspec.msgpack.decode(packed, type=dict[str, Any])
