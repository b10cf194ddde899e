"""Bodies that run again after a failure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.behaviour.bodies import Histories, OutOfStock, give

from dalsegno import State, flow, task
from dalsegno.runtime import flow_run, task_run
from dalsegno.states import Failed
from dalsegno.tasks import exponential_backoff
from dalsegno.testing import FakeClock


class Stock:
    """Fails as often as told, then gives how often it was asked."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        if self.asked <= self.failures:
            raise OutOfStock(f"time {self.asked}")
        return self.asked


@pytest.mark.behaviour(54)
@pytest.mark.parametrize("decorate", [flow, task])
def test_so_many_retries_are_so_many_more_runs_of_the_body(decorate: Any) -> None:
    enough, too_few = Stock(3), Stock(9)
    assert decorate(retries=3)(lambda: enough.ask())() == 4
    with pytest.raises(OutOfStock, match="time 4"):
        decorate(retries=3)(lambda: too_few.ask())()
    assert too_few.asked == 4


@pytest.mark.behaviour(54)
@pytest.mark.parametrize(
    ("delays", "wanted"),
    [
        (10, [10, 10, 10]),
        ([1, 60], [1, 60, 60]),
        (lambda retries: [100 * retries], [300, 300, 300]),
        (exponential_backoff(10), [10, 20, 40]),
    ],
    ids=["a number", "a list", "a function", "backoff"],
)
@pytest.mark.parametrize("decorate", [flow, task])
def test_delays_are_a_number_a_list_or_a_function(
    clock: FakeClock, decorate: Any, delays: Any, wanted: list[float]
) -> None:
    stock = Stock(3)
    assert decorate(retries=3, retry_delay_seconds=delays)(lambda: stock.ask())() == 4
    assert clock.slept == wanted


@pytest.mark.behaviour(54)
def test_backoff_doubles() -> None:
    assert exponential_backoff(10)(4) == [10, 20, 40, 80]


@pytest.mark.behaviour(55)
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"retry_delay_seconds": [1] * 51}, ValueError),
        ({"retry_delay_seconds": "soon"}, TypeError),
        ({"retry_delay_seconds": -1}, ValueError),
        ({"retry_jitter_factor": -0.1}, ValueError),
        ({"retries": -1}, ValueError),
        ({"retries": "many"}, TypeError),
    ],
)
def test_what_cannot_be_is_refused_on_decoration(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        task(**{"retries": 1, **options})(lambda: None)


@pytest.mark.behaviour(55)
def test_jitter_stays_within_its_bounds_and_varies(clock: FakeClock) -> None:
    stock = Stock(40)
    task(retries=40, retry_delay_seconds=100, retry_jitter_factor=0.5)(lambda: stock.ask())()
    assert all(50 <= delay <= 150 for delay in clock.slept)
    assert len(set(clock.slept)) > 20


@pytest.mark.behaviour(56)
@pytest.mark.parametrize("decorate", [flow, task])
def test_the_states_of_retries(clock: FakeClock, decorate: Any) -> None:
    at_once, later = Histories(), Histories()
    stocks = [Stock(2), Stock(2)]
    decorate(retries=2, on_completion=[at_once])(lambda: stocks[0].ask())()
    decorate(retries=2, retry_delay_seconds=60, on_completion=[later])(lambda: stocks[1].ask())()
    assert at_once.names == [["Pending", "Running", "Retrying", "Retrying", "Completed"]]
    assert later.names == [
        ["Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
    ]
    assert later.types[0][2:4] == ["SCHEDULED", "RUNNING"]


@pytest.mark.behaviour(56)
def test_a_run_that_awaits_its_retry_knows_when_it_is(clock: FakeClock) -> None:
    found: list[float] = []

    def note(_: Any, run: Any, state: State[Any]) -> None:
        (waiting,) = [state for state in run.states if state.name == "AwaitingRetry"]
        found.append((waiting.state_details.scheduled_time - waiting.timestamp).total_seconds())

    stock = Stock(1)
    task(retries=1, retry_delay_seconds=60, on_completion=[note])(lambda: stock.ask())()
    assert found == [pytest.approx(60, abs=0.1)]


@pytest.mark.behaviour(57)
def test_the_condition_is_asked_after_each_failure_while_there_are_retries() -> None:
    asked: list[tuple[Any, ...]] = []
    stock = Stock(9)

    def worth_it(failed: Any, run: Any, state: State[Any]) -> bool:
        asked.append((failed.name, run.name, state.type.value, str(state.result(raise_on_failure=False))))
        return True

    load = task(name="load", task_run_name="this load", retries=2, retry_condition_fn=worth_it)(lambda: stock.ask())
    assert load(return_state=True).is_failed()
    assert asked == [("load", "this load", "FAILED", "time 1"), ("load", "this load", "FAILED", "time 2")]


def broken(*_: Any) -> bool:
    raise RuntimeError


@pytest.mark.behaviour(57)
@pytest.mark.parametrize("condition", [lambda *_: False, broken], ids=["no", "an error"])
def test_a_condition_that_says_no_or_fails_ends_it(condition: Any) -> None:
    stock = Stock(9)
    state = task(retries=2, retry_condition_fn=condition)(lambda: stock.ask())(return_state=True)
    assert (state.name, stock.asked) == ("Failed", 1)


@pytest.mark.behaviour(57)
def test_a_condition_must_be_callable() -> None:
    with pytest.raises(TypeError, match="retry_condition_fn"):
        task(retries=1, retry_condition_fn="yes")(lambda: None)


@pytest.mark.behaviour(58)
def test_run_count_is_that_of_the_body() -> None:
    counts: list[int] = []
    stock = Stock(1)

    @task(retries=1, on_completion=[lambda _, run, state: counts.append(run.run_count)])
    def load() -> None:
        counts.append(task_run.run_count)
        stock.ask()

    again = Stock(1)

    @flow(retries=1)
    def orders() -> None:
        counts.append(flow_run.run_count)
        again.ask()

    load()
    orders()
    assert counts == [1, 2, 2, 1, 2]


@pytest.mark.behaviour(58)
def test_a_timeout_begins_anew_with_each_run() -> None:
    tries: list[int] = []

    @task(retries=1, timeout_seconds=0.1)
    async def load() -> str:
        tries.append(1)
        if len(tries) == 1:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return "rows"

    assert asyncio.run(load()) == "rows"


@pytest.mark.behaviour(59, 83)
def test_a_flow_that_runs_again_does_not_repeat_what_completed() -> None:
    ran: list[str] = []
    flaky = Stock(1)
    runs: list[tuple[Any, ...]] = []

    @task
    def read(what: str) -> str:
        ran.append(f"read {what}")
        return what

    @task
    def load() -> int:
        ran.append("load")
        return flaky.ask()

    @flow
    def inner() -> str:
        ran.append("inner")
        return read("inside")

    @flow(retries=1)
    def orders() -> Any:
        runs.append((flow_run.id, flow_run.name))
        return read("a"), inner(), load()

    assert orders() == ("a", "inside", 2)
    assert ran == ["read a", "inner", "read inside", "load", "load"]
    assert len(runs) == 2
    assert len(set(runs)) == 1


@pytest.mark.behaviour(59)
def test_what_is_answered_changes_nothing_in_its_arguments() -> None:
    flaky = Stock(1)

    @task
    def add(to: list[str]) -> str:
        to.append("tea")
        return "added"

    @flow(retries=1)
    def orders() -> Any:
        basket: list[str] = []
        answer = add(basket)
        flaky.ask()
        return answer, basket

    assert orders() == ("added", [])


@pytest.mark.behaviour(59, 83)
def test_what_is_not_kept_runs_again() -> None:
    ran: list[str] = []
    flaky = Stock(1)

    @task(persist_result=False)
    def read() -> None:
        ran.append("read")

    @flow(retries=1)
    def orders() -> None:
        read()
        flaky.ask()

    orders()
    assert ran == ["read", "read"]


@pytest.mark.behaviour(59)
def test_what_failed_runs_again_with_all_of_its_retries() -> None:
    stock = Stock(3)

    @flow(retries=1)
    def orders() -> int:
        return task(retries=1)(lambda: stock.ask())()

    assert orders() == 4


@pytest.mark.behaviour(59)
def test_a_body_that_calls_a_task_twice_runs_it_twice() -> None:
    ran: list[int] = []

    @task
    def read() -> int:
        ran.append(1)
        return len(ran)

    @flow
    def orders() -> Any:
        return read(), read()

    assert orders() == (1, 2)


@pytest.mark.behaviour(60)
def test_retries_multiply() -> None:
    stock = Stock(9)

    @flow(retries=1)
    def orders() -> None:
        task(retries=1)(lambda: stock.ask())()

    assert orders(return_state=True).is_failed()
    assert stock.asked == 4


@pytest.mark.behaviour(61)
def test_a_flow_that_returns_a_failed_state_is_retried_too() -> None:
    seen = Histories()
    tries: list[int] = []

    @flow(retries=2, on_completion=[seen])
    def orders() -> Any:
        tries.append(1)
        return Failed(message="no tea") if len(tries) < 3 else give(len(tries))

    assert orders() == 3
    assert seen.names == [["Pending", "Running", "Retrying", "Retrying", "Completed"]]
