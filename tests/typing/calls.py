"""What a type checker makes of calls; read by `test_types`, never run. `# error`: a line that it must refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from dalsegno import State, flow, get_client, task, unmapped
from dalsegno.client import Client, SyncClient
from dalsegno.futures import FlowRunFuture, Future, FutureList
from dalsegno.model.resources.flow_runs import FlowRun


@task
def clean(number: int, text: str = "x") -> list[int]:
    return [number]


@task(retries=3, log_prints=True)
async def fetch(number: int) -> str:
    return str(number)


@flow
def nightly(day: int) -> float:
    return 1.0


@flow(name="hourly")
async def hourly(hour: int) -> float:
    return 1.0


class Shop:
    @task
    def sell(self, number: int) -> int:
        return number


assert_type(clean(1), list[int])
assert_type(clean(1, text="y"), list[int])
assert_type(clean(1, return_state=True), State[list[int]])
assert_type(clean(1, wait_for=[]), list[int])
assert_type(clean.submit(1), Future[list[int]])
assert_type(clean.submit(1, return_state=True), State[list[int]])
assert_type(clean.submit(1).result(), list[int])
assert_type(clean.map([1, 2], unmapped("y")), FutureList[list[int]])
assert_type(clean.map([1, 2]).result(), list[list[int]])
assert_type(clean.with_options(name="again")(1), list[int])
assert_type(fetch.submit(1), Future[str])
assert_type(fetch.map([1]), FutureList[str])
assert_type(nightly(1), float)
assert_type(nightly(1, return_state=True), State[float])
assert_type(nightly.submit(1), FlowRunFuture[float])
assert_type(hourly.submit(1), FlowRunFuture[float])
assert_type(Shop().sell(1), int)
assert_type(clean.fn(1), list[int])


async def in_a_coroutine() -> None:
    assert_type(await fetch(1), str)
    assert_type(await fetch.submit(1), str)
    assert_type(await hourly(1), float)
    assert_type(await hourly(1, return_state=True), State[float])


clean("one")  # error
clean()  # error
clean(1, colour="red")  # error
clean.submit("one")  # error
nightly("today")  # error
nightly.submit("today")  # error
Shop().sell("one")  # error
clean.with_options(name="again")("one")  # error
task(retries="many")  # error
flow(timeout_seconds="long")  # error
number: int = clean(1)  # error


def clients(client: SyncClient, id: str) -> None:
    assert_type(get_client(sync_client=True), SyncClient)
    assert_type(get_client(), Client)
    assert_type(client.read_flow_run(id), FlowRun)
    assert_type(client.iterate_flow_runs(), Iterator[FlowRun])
    client.read_flow_run(17)  # error
    client.read_flow_runs(limits=3)  # error


async def async_clients(client: Client, id: str) -> None:
    assert_type(await client.read_flow_run(id), FlowRun)
    assert_type(client.iterate_flow_runs(), AsyncIterator[FlowRun])
    await client.count_flow_runs(id)  # error
