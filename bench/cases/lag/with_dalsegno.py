"""How long after a task has returned the API says that it is Completed; one task after the other in one flow run."""

from __future__ import annotations

import lag
import probe
from dalsegno import flow, runtime, task

WATCHER = lag.watcher("dalsegno", "/task-runs/{id}")


@task
def own_id() -> str:
    return str(runtime.task_run.id)


@flow
def watched(count: int) -> None:
    for _ in range(count + 1):
        WATCHER.wait_for(own_id())


if __name__ == "__main__":
    watched(probe.size())
    WATCHER.report()
