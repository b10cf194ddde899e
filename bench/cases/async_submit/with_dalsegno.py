"""One flow run that submits a trivial coroutine task many times and gathers the results."""

from __future__ import annotations

import asyncio

import probe
from dalsegno import flow, task


@task
async def add_one(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


@flow
def fan_out(count: int) -> int:
    futures = [add_one.submit(number) for number in range(count)]
    return sum(future.result() for future in futures)


if __name__ == "__main__":
    probe.report(**probe.time_tasks(fan_out, probe.size()))
