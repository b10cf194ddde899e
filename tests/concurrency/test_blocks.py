"""Blocks of code hold slots while they run, in plain code and in coroutines, in runs and outside of them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from tests.store.requests import elsewhere

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._engine import slot_keeper
from dalsegno.concurrency import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    concurrency,
    rate_limit,
)
from dalsegno.concurrency import asyncio as in_coroutines
from dalsegno.concurrency import sync as in_plain_code
from dalsegno.concurrency.v1 import asyncio as tags_in_coroutines
from dalsegno.concurrency.v1 import sync as tags_in_plain_code
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, LimitView, NewLimit


@pytest.fixture
def one() -> LimitView:
    return connect().create_limit(NewLimit(name="one", limit=1))


def held(name: str = "one") -> int:
    found = connect().find_limit("global", name)
    assert found is not None
    return found.active_slots


def taken_elsewhere(name: str = "one") -> bytes:
    """Have another machine hold the slot."""
    id = new_id()
    assert connect().acquire_slots(AcquireSlots(id=id, names=[name], process=elsewhere(), lease=300.0)).granted
    return id


def test_a_block_holds_its_slots_and_gives_them_back(one: LimitView) -> None:
    with concurrency("one", holder="ann"):
        (holder,) = connect().list_slot_holders(one.id, None, 10)
        assert (holder.holder, holder.slots) == ("ann", 1)
    assert held() == 0
    with pytest.raises(ZeroDivisionError), concurrency(["one"]):
        raise ZeroDivisionError
    assert held() == 0


def test_a_coroutine_holds_slots_without_blocking_its_loop(one: LimitView) -> None:
    order: list[str] = []

    async def work(name: str, entered: asyncio.Event, go_on: asyncio.Event) -> None:
        async with in_coroutines.concurrency("one"):
            order.append(name)
            entered.set()
            await go_on.wait()

    async def main() -> None:
        events = [asyncio.Event() for _ in range(4)]
        first = asyncio.create_task(work("first", events[0], events[1]))
        await events[0].wait()
        second = asyncio.create_task(work("second", events[2], events[3]))
        events[3].set()
        await asyncio.sleep(0)
        events[1].set()
        await asyncio.gather(first, second)

    asyncio.run(main())
    assert order == ["first", "second"]
    assert held() == 0


def test_threads_of_one_process_take_turns(one: LimitView) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with in_plain_code.concurrency("one"):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_waiting_ends_in_time(one: LimitView) -> None:
    taken_elsewhere()
    with (
        pytest.raises(AcquireConcurrencySlotTimeoutError, match=r"No slot of 'one' .* within 0.1 second"),
        concurrency("one", timeout_seconds=0.1),
    ):
        raise AssertionError
    with (
        pytest.raises(ConcurrencySlotAcquisitionError, match=r"in 1 attempt"),
        concurrency("one", max_retries=0),
    ):
        raise AssertionError
    found = connect().find_limit("global", "one")
    assert found is not None
    assert found.waiting == 0


def test_a_limit_may_be_made_on_first_use_and_hold_for_each_key() -> None:
    with concurrency("tenant", key="a", limit=1), concurrency("tenant", key="b", limit=1):
        with pytest.raises(AcquireConcurrencySlotTimeoutError), concurrency("tenant", key="a", timeout_seconds=0):
            raise AssertionError
        assert held("tenant") == 2


def test_a_block_without_names_or_slots_is_no_limit() -> None:
    with concurrency([]):
        pass
    with pytest.raises(ValueError, match="occupy is 0"):
        concurrency("one", occupy=0)


def test_a_rate_is_waited_for() -> None:
    connect().create_limit(NewLimit(name="calls", limit=2, slot_decay_per_second=20.0))
    began = time.monotonic()
    for _ in range(4):
        rate_limit("calls")
    assert time.monotonic() - began >= 0.09

    async def main() -> None:
        await rate_limit("calls")
        await in_coroutines.rate_limit(["calls"])

    asyncio.run(main())
    with pytest.raises(AcquireConcurrencySlotTimeoutError):
        rate_limit("calls", occupy=2, timeout_seconds=0.001)


def test_a_run_holds_its_slots_under_its_own_name(one: LimitView) -> None:
    @task
    def copy() -> Any:
        with concurrency("one"):
            return connect().list_slot_holders(one.id, None, 10)[0]

    @flow
    def nightly() -> Any:
        return copy()

    holder = nightly()
    assert holder.holder.startswith("copy-")
    assert holder.root_run_id is not None
    assert holder.task_run_id is not None


def test_a_pool_of_one_is_not_held_by_who_waits(one: LimitView) -> None:
    from dalsegno.task_runners import ThreadPoolTaskRunner

    there = taken_elsewhere()

    @task
    def waits() -> str:
        with concurrency("one"):
            return "had it"

    @task
    def frees() -> None:
        connect().release_slots([there])

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def nightly() -> str:
        waiting = waits.submit()
        frees.submit().wait()
        return waiting.result()

    assert nightly() == "had it"


def test_slots_that_were_lost_break_the_block_off(one: LimitView) -> None:
    def work() -> None:
        with concurrency("one", lease_duration=0.3, strict=True):
            connect().reset_limit(one.id)
            for _ in range(10_000):
                time.sleep(0.01)

    with pytest.raises(ConcurrencySlotAcquisitionError, match="ended while they were in use"):
        work()


def test_a_coroutine_whose_slots_were_lost_is_broken_off(one: LimitView) -> None:
    async def main() -> None:
        async with concurrency("one", lease_duration=0.3, raise_on_lease_renewal_failure=True):
            await asyncio.to_thread(connect().reset_limit, one.id)
            await asyncio.Event().wait()

    with pytest.raises(ConcurrencySlotAcquisitionError, match="ended while they were in use"):
        asyncio.run(main())


def test_slots_that_were_lost_are_a_warning_by_default(one: LimitView, caplog: pytest.LogCaptureFixture) -> None:
    lost = threading.Event()
    with concurrency("one", lease_duration=0.3) as _:
        lease = next(iter(slot_keeper._keeper.leases.values()))
        tell = lease.on_lost
        lease.on_lost = lambda: (tell(), lost.set())  # type: ignore[assignment,func-returns-value]
        connect().reset_limit(one.id)
        assert lost.wait(10)
    assert "ended before it was renewed" in caplog.text


def test_blocks_may_hold_slots_of_tags() -> None:
    limit = connect().create_limit(NewLimit(name="heavy", limit=1, kind="tag"))
    with tags_in_plain_code.concurrency("heavy"):
        assert len(connect().list_slot_holders(limit.id, None, 10)) == 1

    async def main() -> int:
        async with tags_in_coroutines.concurrency(["heavy"], task_run_id="b"):
            return len(await asyncio.to_thread(connect().list_slot_holders, limit.id, None, 10))

    assert asyncio.run(main()) == 1
