"""Many flow runs of one trivial task each, one after the other in one process."""

from __future__ import annotations

import probe
from dalsegno import flow, task


@task
def add_one(number: int) -> int:
    return number + 1


@flow
def one_step(number: int) -> int:
    return add_one(number)


def run_flows(count: int) -> int:
    return sum(one_step(number) for number in range(count))


if __name__ == "__main__":
    figures = probe.time_tasks(run_flows, probe.size())
    probe.report(flow_runs_per_minute=60e6 / figures["wall_us"], cpu_us=figures["cpu_us"], tasks=figures["tasks"])
