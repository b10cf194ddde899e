"""One coroutine flow run that awaits many calls of a trivial coroutine task together."""

from __future__ import annotations

import asyncio

import probe
from dalsegno import flow, task


@task
async def add_one(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


@flow
async def fan_out(count: int) -> int:
    return sum(await asyncio.gather(*(add_one(number) for number in range(count))))


if __name__ == "__main__":
    probe.report(**probe.time_tasks(lambda count: asyncio.run(fan_out(count)), probe.size()))
