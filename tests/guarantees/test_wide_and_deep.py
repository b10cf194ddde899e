"""Any depth and any width of tasks, in a pool of one: nothing deadlocks, nothing needs a thread for itself."""

from __future__ import annotations

import asyncio
import threading

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno.model.views import RunFilter
from dalsegno.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner


def only_one() -> ThreadPoolTaskRunner:
    return ThreadPoolTaskRunner(max_workers=1)


def counts() -> dict[str, int]:
    return connect().count_task_runs(RunFilter())


def own_threads() -> int:
    """Count the threads, without those in which a server asks its database where one records in this process."""
    return sum(not thread.name.startswith("AnyIO worker") for thread in threading.enumerate())


@task
def add_one(number: int) -> int:
    return number + 1


@task
async def add_one_later(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


def test_a_chain_of_a_thousand_submitted_tasks_ends_in_a_pool_of_one() -> None:
    @flow(task_runner=only_one())
    def chain() -> int:
        future = add_one.submit(0)
        for _ in range(999):
            future = add_one.submit(future)
        return future.result()

    assert chain() == 1000
    assert counts() == {"Completed": 1000}


def test_a_chain_of_a_thousand_submitted_coroutines_ends_in_a_pool_of_one() -> None:
    @flow(task_runner=only_one())
    async def chain() -> int:
        future = add_one_later.submit(0)
        for _ in range(999):
            future = add_one_later.submit(future)
        return await future

    assert asyncio.run(chain()) == 1000
    assert counts() == {"Completed": 1000}


def test_a_chain_that_is_submitted_last_link_first_ends_too() -> None:
    """What all the others wait for is the last that comes to the only worker."""
    gate = threading.Event()

    @task
    def first() -> int:
        gate.wait()
        return 0

    @flow(task_runner=only_one())
    def chain() -> int:
        future = first.submit()
        for _ in range(999):
            future = add_one.submit(future)
        gate.set()
        return future.result()

    assert chain() == 999


def test_a_map_of_ten_thousand_ends_in_a_pool_of_one() -> None:
    @flow(task_runner=only_one())
    def wide() -> int:
        return sum(add_one.map(range(10_000)).result())

    assert wide() == sum(range(1, 10_001))
    assert counts() == {"Completed": 10_000}


def test_tasks_that_submit_tasks_fifty_levels_deep_end_in_a_pool_of_one() -> None:
    @task
    def nest(levels: int) -> int:
        return 0 if levels == 1 else nest.submit(levels - 1).result() + 1

    @flow(task_runner=only_one())
    def deep() -> int:
        return nest.submit(50).result()

    assert deep() == 49
    assert counts() == {"Completed": 50}


def test_coroutines_that_submit_coroutines_fifty_levels_deep_end_in_a_pool_of_one() -> None:
    @task
    async def nest(levels: int) -> int:
        return 0 if levels == 1 else await nest.submit(levels - 1) + 1

    @flow(task_runner=only_one())
    async def deep() -> int:
        return await nest.submit(50)

    assert asyncio.run(deep()) == 49
    assert counts() == {"Completed": 50}


def test_coroutines_that_block_on_each_other_end() -> None:
    """`result()` blocks the loop that it is called in: what it waits for must run elsewhere."""

    @task
    async def nest(levels: int) -> int:
        return 0 if levels == 1 else nest.submit(levels - 1).result() + 1

    @flow(task_runner=only_one())
    def deep() -> int:
        return nest.submit(10).result()

    assert deep() == 9


def test_two_tasks_that_wait_for_each_others_children_end_in_a_pool_of_one() -> None:
    handed: list[object] = []
    told = threading.Event()

    @task
    def giver() -> int:
        handed.append(add_one.submit(1))
        told.set()
        return 1

    @task
    def taker(future: object) -> int:
        told.wait()
        return handed[0].result() + 1  # type: ignore[attr-defined]

    @flow(task_runner=only_one())
    def both() -> int:
        one = giver.submit()
        return taker.submit(one).result()

    assert both() == 3


def test_a_map_of_two_hundred_that_all_map_ends_in_a_pool_of_one() -> None:
    @task
    def fan_out(width: int) -> int:
        return sum(add_one.map(range(width)).result())

    @flow(task_runner=only_one())
    def bush() -> int:
        return sum(fan_out.map([10] * 200).result())

    assert bush() == 200 * 55
    assert counts() == {"Completed": 2200}


def test_nested_flows_twenty_levels_deep_end_in_a_pool_of_one() -> None:
    @flow(task_runner=only_one())
    def nest(levels: int) -> int:
        return add_one.submit(0).result() if levels == 1 else nest.submit(levels - 1).result() + 1

    assert nest(20) == 20


def test_a_pool_of_one_process_takes_chains_and_maps() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def chain() -> int:
        future = add_one.submit(0)
        for _ in range(20):
            future = add_one.submit(future)
        return future.result() + sum(add_one.map(range(20)).result())

    assert chain() == 21 + 210


def test_ten_thousand_coroutines_are_not_ten_thousand_threads() -> None:
    arrived = 0
    most_threads = 0
    all_here = asyncio.Event()

    @task
    async def meet() -> None:
        nonlocal arrived, most_threads
        arrived += 1
        most_threads = max(most_threads, own_threads())
        if arrived == 10_000:
            all_here.set()
        await all_here.wait()

    before = own_threads()

    @flow
    def meeting() -> None:
        for future in [meet.submit() for _ in range(10_000)]:
            future.result()

    meeting()
    # They were all under way at once, or it would not have ended.
    assert most_threads <= before + 10
    assert counts() == {"Completed": 10_000}


def test_a_thousand_sleeping_retries_hold_no_threads() -> None:
    most_threads = 0

    @task(retries=1, retry_delay_seconds=0.3)
    def flaky(failed: set[int], number: int) -> int:
        nonlocal most_threads
        most_threads = max(most_threads, own_threads())
        if number not in failed:
            failed.add(number)
            raise ValueError("not yet")
        return number

    before = own_threads()

    @flow(task_runner=only_one())
    def patient() -> int:
        failed: set[int] = set()
        return sum(future.result() for future in [flaky.submit(failed, number) for number in range(1000)])

    assert patient() == sum(range(1000))
    assert most_threads <= before + 12
