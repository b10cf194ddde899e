"""What a run knows of itself, as attributes that are worked out when they are read.

Example:
    >>> from dalsegno import runtime
    >>> @task
    ... def clean():
    ...     print(runtime.flow_run.name, runtime.task_run.run_count)

Each attribute can be overridden by a variable, as in ``DALSEGNO__RUNTIME__FLOW_RUN__NAME=test``.
"""

from __future__ import annotations

from dalsegno.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
