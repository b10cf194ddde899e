"""One flow run that calls a trivial task many times, one call after the other."""

from __future__ import annotations

from prefect import flow, task

import probe


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
    probe.report(**probe.time_tasks(add_up, probe.size()))
