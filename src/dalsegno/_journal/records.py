"""What the journal needs to know of those who use it: records that can be written down, and who writes them."""

from __future__ import annotations

from typing import Protocol

from dalsegno.model.records import (
    FlowDefinition,
    FlowRunSnapshot,
    TaskDefinition,
    TaskRunSnapshot,
)


class Writer(Protocol):
    """Whoever executes a root run: the journal asks it under which attempt to write, and tells it what is wanted."""

    root_run_id: bytes
    attempt: int

    def on_cancel_requested(self) -> None: ...
    def on_pause_requested(self, suspend: bool) -> None: ...
    def on_fenced(self) -> None: ...


class TaskRunRecord(Protocol):
    """A task run that can be written down."""

    dirty: bool

    @property
    def writer(self) -> Writer: ...
    @property
    def definition(self) -> TaskDefinition: ...
    def snapshot(self, version: int) -> TaskRunSnapshot: ...


class FlowRunRecord(Protocol):
    """A flow run that can be written down."""

    dirty: bool

    @property
    def ended(self) -> bool: ...
    @property
    def writer(self) -> Writer: ...
    @property
    def definition(self) -> FlowDefinition: ...
    def snapshot(self, version: int) -> FlowRunSnapshot: ...


class Limits(Protocol):
    """The settings that a journal obeys; times in seconds, sizes in bytes."""

    @property
    def flush_interval(self) -> float: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def max_batch_size(self) -> int: ...
    @property
    def max_waiting(self) -> int: ...
    @property
    def delivery_timeout(self) -> float: ...
    @property
    def heartbeat_interval(self) -> float: ...
    @property
    def spool_after(self) -> float: ...
    @property
    def spool_max_size(self) -> int: ...
