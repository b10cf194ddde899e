"""The most memory that a process has while it maps a trivial task over a long list and gathers it."""

from __future__ import annotations

import probe
from dalsegno import flow, task


@task
def add_one(number: int) -> int:
    return number + 1


@flow
def fan_out(count: int) -> int:
    return sum(add_one.map(list(range(count))).result())


if __name__ == "__main__":
    tasks = probe.size()
    fan_out(probe.WARM_UP_TASKS)
    before = probe.memory_bytes()
    probe.require(fan_out(tasks) == tasks * (tasks + 1) // 2, "a sum of the mapped results that is not right")
    peak = probe.peak_memory_bytes()
    probe.report(peak_mb=peak / 1e6, growth_kb_per_task=(peak - before) / 1e3 / tasks, tasks=tasks)
