"""What the store tells: runs as readers see them, and what a run needs to pick up where it left off."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from dalsegno.model.pauses import PauseView
from dalsegno.model.records import EntryPoint, ProcessRecord
from dalsegno.model.states import StateRecord


class OpenRun(msgspec.Struct, kw_only=True):
    """Asks to open a new attempt of a run that exists. New runs need no asking: their first batch makes them."""

    flow_run_id: bytes
    process: ProcessRecord
    only_from_attempt: int | None = None
    """Refuse if the run is no longer at this attempt: somebody else has opened the next one."""


class OpenedRun(msgspec.Struct, kw_only=True):
    """A new attempt, which fences all earlier ones."""

    attempt: int
    run_count: int


class ReplayEntry(msgspec.Struct, array_like=True, gc=False):
    """A task run of an earlier attempt, as far as it is needed to match calls with it."""

    id: bytes
    scope_id: bytes
    """The parent task run, or else the flow run, in whose body it was called."""
    task_key: str
    task_name: str
    source_hash: str | None
    fingerprint: bytes | None
    state_type: int
    state_name: str | None
    run_count: int
    name: str | None
    has_result: bool
    child_flow_run_id: bytes | None
    upstream: bytes | None
    state_count: int
    """How many states its history has within the current attempt (positions go on from there)."""
    superseded: bool = False


class FlowRunView(msgspec.Struct, kw_only=True):
    """A flow run as its readers see it."""

    id: bytes
    root_run_id: bytes
    parent_flow_run_id: bytes | None
    parent_task_run_id: bytes | None
    flow_name: str
    flow_version: str | None
    flow_source_hash: str | None
    name: str
    attempt: int
    run_count: int
    state: StateRecord
    states: list[StateRecord] | None = None
    """The whole history; None in lists."""
    created: int
    start_time: int | None
    end_time: int | None
    parameters_text: str | None
    parameters: bytes | None = None
    tags: tuple[str, ...] = ()
    entry: EntryPoint | None = None
    process: ProcessRecord | None = None
    result: bytes | None = None
    forked_from: bytes | None = None
    deployment_id: bytes | None = None
    deployment_name: str | None = None
    """None: it is of none, or that was deleted."""
    extra: dict[str, Any] = {}
    pauses: list[PauseView] | None = None
    """What it, or what is nested in it, waits for to be resumed; None in lists."""
    task_run_counts: dict[str, int] | None = None
    """State name to number of its task runs (direct ones); None in lists."""


class TaskRunView(msgspec.Struct, kw_only=True):
    """A task run as its readers see it."""

    id: bytes
    root_run_id: bytes
    flow_run_id: bytes | None
    parent_task_run_id: bytes | None
    task_key: str
    task_name: str
    task_version: str | None
    source_hash: str | None
    name: str
    attempt: int
    run_count: int
    state: StateRecord
    states: list[StateRecord] | None = None
    created: int
    start_time: int | None
    end_time: int | None
    tags: tuple[str, ...] = ()
    fingerprint: bytes | None = None
    upstream: list[tuple[str, bytes]] = []
    result: bytes | None = None
    child_flow_run_id: bytes | None = None
    superseded_by: int | None = None
    """The attempt whose body ended without coming to this call again."""
    extra: dict[str, Any] = {}


class LogView(msgspec.Struct, kw_only=True):
    """One line of a log as its readers see it."""

    timestamp: int
    nonce: int
    level: int
    logger: str
    message: str
    flow_run_id: bytes | None
    task_run_id: bytes | None


class ArtifactView(msgspec.Struct, kw_only=True):
    """An artifact as its readers see it."""

    id: bytes
    type: str
    key: str | None
    data: str
    description: str | None
    flow_run_id: bytes | None
    task_run_id: bytes | None
    created: int
    updated: int


class FlowView(msgspec.Struct, kw_only=True):
    """A flow as its readers see it: by name, with its newest version."""

    name: str
    version: str | None
    description: str | None
    run_count: int
    last_run: int | None
    last_state: str | None


class VariableView(msgspec.Struct, kw_only=True):
    """A variable: a named JSON value."""

    name: str
    value: Any
    tags: tuple[str, ...]
    created: int
    updated: int


class CacheEntry(msgspec.Struct, kw_only=True):
    """A cached result under its key."""

    key: str
    result: bytes
    task_run_id: bytes | None
    created: int
    expires: int | None


class RunFilter(msgspec.Struct, kw_only=True):
    """Which runs a list shows; what is None or empty does not restrict. Fields apply to the kinds that have them."""

    ids: list[bytes] = []
    id_prefix: str | None = None
    """Beginning of an id's text; lower case hex, with or without dashes."""
    name: str | None = None
    """Exact name of the run."""
    name_prefix: str | None = None
    name_like: str | None = None
    """Part of the name, whatever its case."""
    flow_names: list[str] = []
    task_names: list[str] = []
    flow_run_ids: list[bytes] = []
    """Of task runs their flow runs, of flow runs their parents."""
    deployment_ids: list[bytes] = []
    """Of flow runs."""
    parent_task_run_ids: list[bytes] = []
    root_run_ids: list[bytes] = []
    state_types: list[int] = []
    state_names: list[str] = []
    tags: list[str] = []
    """All of these."""
    after: int | None = None
    """Created at or after (microseconds)."""
    before: int | None = None
    started_after: int | None = None
    """Started at or after (microseconds)."""
    started_before: int | None = None
    top_level: bool = False
    """Only runs that are nobody's children."""
    include_superseded: bool = True


Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
"""How many of something at most. A negative one would be no limit at all, which a server cannot afford."""


class Page(msgspec.Struct, kw_only=True):
    """Where a list goes on: keyset pages by id, newest first unless `oldest_first`."""

    limit: Limit = 200
    after: bytes | None = None
    """The last id of the page before."""
    oldest_first: bool = False
