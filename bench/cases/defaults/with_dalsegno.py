"""What default results and a line of log cost per direct task call: the same calls with and without."""

from __future__ import annotations

import sys

import probe
from dalsegno import flow, get_run_logger, task


@task
def with_defaults(number: int) -> int:
    return number + 1


@task(persist_result=False)
def without_results(number: int) -> int:
    return number + 1


@task
def with_a_log_line(number: int) -> int:
    get_run_logger().info("number %d", number)
    return number + 1


TASKS = {"defaults": with_defaults, "no-results": without_results, "log-line": with_a_log_line}
add_one = TASKS[sys.argv[2]]


@flow
def add_up(count: int) -> int:
    total = 0
    for number in range(count):
        total += add_one(number)
    return total


if __name__ == "__main__":
    probe.report(**probe.time_tasks(add_up, probe.size()))
