"""One coroutine workflow that awaits many calls of a trivial coroutine step together."""

from __future__ import annotations

import asyncio

from dbos import DBOS

import dbos_application
import probe


@DBOS.step()
async def add_one(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


@DBOS.workflow()
async def fan_out(count: int) -> int:
    return sum(await asyncio.gather(*(add_one(number) for number in range(count))))


if __name__ == "__main__":
    with dbos_application.launched():
        probe.report(**probe.time_tasks(lambda count: asyncio.run(fan_out(count)), probe.size()))
