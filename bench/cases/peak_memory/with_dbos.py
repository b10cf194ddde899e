"""The most memory that a process has while it starts many child workflows and gathers their results."""

from __future__ import annotations

from dbos import DBOS

import dbos_application
import probe


@DBOS.step()
def add_one(number: int) -> int:
    return number + 1


@DBOS.workflow()
def add_one_workflow(number: int) -> int:
    return add_one(number)


@DBOS.workflow()
def fan_out(count: int) -> int:
    handles = [DBOS.start_workflow(add_one_workflow, number) for number in range(count)]
    return sum(handle.get_result() for handle in handles)


if __name__ == "__main__":
    tasks = probe.size()
    with dbos_application.launched():
        fan_out(probe.WARM_UP_TASKS)
        before = probe.memory_bytes()
        probe.require(fan_out(tasks) == tasks * (tasks + 1) // 2, "a sum of the results that is not right")
        peak = probe.peak_memory_bytes()
    probe.report(peak_mb=peak / 1e6, growth_kb_per_task=(peak - before) / 1e3 / tasks, tasks=tasks)
