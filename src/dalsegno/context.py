"""The context of the run in whose body code stands, and the tags and settings in force there."""

from __future__ import annotations

from dalsegno._engine.context import FlowRunContext, RunContext, TaskRunContext, get_run_context, tags
from dalsegno.settings import use_profile

EngineContext = FlowRunContext

__all__ = ["EngineContext", "FlowRunContext", "RunContext", "TaskRunContext", "get_run_context", "tags", "use_profile"]
