"""One flow run that submits a trivial task many times and gathers the results."""

from __future__ import annotations

import probe
from dalsegno import flow, task


@task
def add_one(number: int) -> int:
    return number + 1


@flow
def fan_out(count: int) -> int:
    futures = [add_one.submit(number) for number in range(count)]
    return sum(future.result() for future in futures)


if __name__ == "__main__":
    probe.report(**probe.time_tasks(fan_out, probe.size()))
