"""Which runs a list shows."""

from __future__ import annotations

from dalsegno.model.resources.filters import FlowRunFilter, TaskRunFilter

__all__ = ["FlowRunFilter", "TaskRunFilter"]
