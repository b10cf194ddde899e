"""Task runners: where the tasks that a flow submits run."""

from __future__ import annotations

from dalsegno.task_runners.base import TaskRunner
from dalsegno.task_runners.threads import ConcurrentTaskRunner, ThreadPoolTaskRunner

__all__ = ["ConcurrentTaskRunner", "TaskRunner", "ThreadPoolTaskRunner"]
