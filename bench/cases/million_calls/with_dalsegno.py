"""A very long flow run against a short one: what a direct call costs in each, what memory it adds."""

from __future__ import annotations

import statistics

import probe
from dalsegno import flow, task

SHORT_TASKS = 1_000
SHORT_RUNS = 5


@task
def add_one(number: int) -> int:
    return number + 1


@flow
def add_up(count: int) -> int:
    total = 0
    for number in range(count):
        total += add_one(number)
    return total


if __name__ == "__main__":
    tasks = probe.size()
    add_up(SHORT_TASKS)
    short = statistics.median(probe.time_tasks(add_up, SHORT_TASKS)["wall_us"] for _ in range(SHORT_RUNS))
    before = probe.memory_bytes()
    long = probe.time_tasks(add_up, tasks, warm_up=False)
    growth = probe.peak_memory_bytes() - before
    probe.report(
        wall_us=long["wall_us"],
        cpu_us=long["cpu_us"],
        short_wall_us=short,
        ratio=long["wall_us"] / short,
        memory_growth_mb=growth / 1e6,
    )
