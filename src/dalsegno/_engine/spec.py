"""What the engine needs to know of a task or flow; the front rooms' Task and Flow have these attributes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from dalsegno._engine.calls import CallPlan
from dalsegno._engine.retrying import RetryPolicy
from dalsegno.model.records import EntryPoint, FlowDefinition, TaskDefinition

Hook = Callable[..., Any]


class TaskSpec(Protocol):
    """A task, decided at decoration: what is None or empty is a feature that is not used."""

    fn: Callable[..., Any]
    name: str
    plan: CallPlan
    is_async: bool
    is_generator: bool
    trigger: Any
    name_template: Any
    caches: bool
    cache_policy: Any
    cache_expiration: timedelta | None
    refresh_cache: bool | None
    persist_result: bool | None
    result_storage: Any
    result_storage_key: str | None
    result_serializer: Any
    cache_result_in_memory: bool
    retry: RetryPolicy | None
    timeout_seconds: float | None
    log_prints: bool | None
    state_handlers: tuple[Hook, ...]
    on_running_hooks: tuple[Hook, ...]
    on_completion_hooks: tuple[Hook, ...]
    on_failure_hooks: tuple[Hook, ...]
    on_cancellation_hooks: tuple[Hook, ...]
    on_crashed_hooks: tuple[Hook, ...]
    on_commit_hooks: tuple[Hook, ...]
    on_rollback_hooks: tuple[Hook, ...]
    bound_to: Any
    fallback: Any
    has_fallback: bool
    durable: bool
    task_runner: Any
    viz_return_value: Any

    @property
    def definition(self) -> TaskDefinition: ...
    def render_run_name(self, parameters: dict[str, Any]) -> str: ...


class FlowSpec(Protocol):
    """A flow, decided at decoration."""

    fn: Callable[..., Any]
    name: str
    plan: CallPlan
    is_async: bool
    is_generator: bool
    flow_run_name: Any
    retry: RetryPolicy | None
    timeout_seconds: float | None
    log_prints: bool | None
    persist_result: bool | None
    result_storage: Any
    result_serializer: Any
    cache_result_in_memory: bool
    should_validate_parameters: bool
    state_handlers: tuple[Hook, ...]
    on_running_hooks: tuple[Hook, ...]
    on_completion_hooks: tuple[Hook, ...]
    on_failure_hooks: tuple[Hook, ...]
    on_cancellation_hooks: tuple[Hook, ...]
    on_crashed_hooks: tuple[Hook, ...]
    task_runner: Any

    @property
    def definition(self) -> FlowDefinition: ...
    @property
    def stand_in(self) -> TaskSpec:
        """The task that stands for the flow in a parent's record."""
        ...

    @property
    def entry(self) -> EntryPoint: ...
    def render_run_name(self, parameters: dict[str, Any]) -> str: ...
    def parameters_text(self, parameters: dict[str, Any]) -> str: ...
    def validated(self, parameters: dict[str, Any]) -> dict[str, Any]: ...
