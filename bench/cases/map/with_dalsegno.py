"""One flow run that maps a trivial task over a list and gathers the results."""

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
    probe.report(**probe.time_tasks(fan_out, probe.size()))
