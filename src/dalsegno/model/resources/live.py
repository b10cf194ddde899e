"""What the stream of changes tells."""

from __future__ import annotations

from uuid import UUID

import msgspec

KINDS = frozenset(
    {
        "flow-run",
        "task-run",
        "log",
        "artifact",
        "variable",
        "event",
        "concurrency-limit",
        "deployment",
        "work-pool",
        "worker",
    }
)


class Change(msgspec.Struct):
    """What may have changed."""

    kinds: list[str]
    """Names of things, such as ``"flow-run"``; empty: anything."""
    root_run_ids: list[UUID] | None
    """The root flow runs that it belongs to; null: any, or none at all."""
