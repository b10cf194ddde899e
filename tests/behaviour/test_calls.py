"""What a call of a flow or task gives back."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from tests.behaviour.bodies import Histories, OutOfStock, fail, give, total

from dalsegno import Task, flow, task
from dalsegno.cache_policies import INPUTS
from dalsegno.exceptions import ParameterBindError, ReservedArgumentError


@pytest.mark.behaviour(1)
def test_a_call_gives_the_return_value() -> None:
    @flow
    def orders() -> int:
        return total(1, 2)

    assert orders() == 3
    assert total(3, 4) == 7


@pytest.mark.behaviour(1)
def test_a_call_that_asks_for_the_state_gives_it_and_does_not_raise() -> None:
    @flow
    def orders() -> int:
        raise OutOfStock("none left")

    assert orders(return_state=True).is_failed()
    assert fail(return_state=True).is_failed()
    state = total(1, 2, return_state=True)
    assert state.is_completed()
    assert state.result() == 3


@pytest.mark.behaviour(2)
def test_an_error_of_the_body_is_raised_as_it_is_once_the_run_is_failed() -> None:
    seen = Histories()

    @flow(on_failure=[seen])
    def orders() -> None:
        fail("no screws")

    with pytest.raises(OutOfStock, match="^no screws$") as caught:
        orders()
    assert seen.names == [["Pending", "Running", "Failed"]]
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "orders" in frames
    assert frames[-1] == "fail"


@pytest.mark.behaviour(3)
def test_async_functions_give_coroutines_when_called() -> None:
    @task
    async def fetch() -> str:
        return "rows"

    @flow
    async def orders() -> str:
        return await fetch()

    coroutine = orders()
    assert inspect.iscoroutine(coroutine)
    assert asyncio.run(coroutine) == "rows"


@pytest.mark.behaviour(3)
def test_submit_and_map_need_no_await() -> None:
    @task
    async def double(number: int) -> int:
        return 2 * number

    @flow
    async def orders() -> Any:
        one, several, plain = double.submit(1), double.map([2, 3]), give.submit("x")
        return await one, [await each for each in several], plain.result()

    assert asyncio.run(orders()) == (2, [4, 6], "x")


@pytest.mark.behaviour(4)
@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize("name", ["return_state", "wait_for"])
def test_parameters_of_reserved_names_are_refused_on_decoration(decorate: Any, name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def load({name}): ...", namespace)
    with pytest.raises(ReservedArgumentError, match=name):
        decorate(namespace["load"])


@pytest.mark.behaviour(5)
@pytest.mark.parametrize("decorate", [flow, task])
def test_arguments_that_do_not_fit_are_refused_by_the_call_and_nothing_runs(decorate: Any) -> None:
    ran: list[str] = []

    @decorate(on_running=[lambda *_: ran.append("hook")], on_failure=[lambda *_: ran.append("hook")])
    def load(day: str) -> None:
        ran.append("body")

    with pytest.raises(ParameterBindError, match="day"):
        load()
    with pytest.raises(TypeError, match="load"):
        load("monday", hour=3, return_state=True)
    assert ran == []


@pytest.mark.behaviour(6)
def test_a_task_runs_outside_of_flows_with_all_that_it_has() -> None:
    tries: list[int] = []
    seen = Histories()

    @task(retries=1, cache_policy=INPUTS, on_completion=[seen])
    def load(day: str) -> str:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OutOfStock
        return day

    assert load("monday") == "monday"
    assert load("monday") == "monday"
    assert len(tries) == 2
    assert seen.names == [["Pending", "Running", "Retrying", "Completed"], ["Pending", "Running", "Cached"]]


@pytest.mark.behaviour(6)
def test_a_task_may_call_a_task_and_a_flow() -> None:
    @flow
    def inner(number: int) -> int:
        return give(number) + 1

    @task
    def outer() -> int:
        return give(1) + inner(2)

    @flow
    def orders() -> int:
        return outer()

    assert outer() == 4
    assert orders() == 4


@pytest.mark.behaviour(7)
def test_nothing_can_be_submitted_outside_of_flows() -> None:
    @task
    def outer() -> None:
        give.submit(1)

    for call in (lambda: give.submit(1), lambda: give.map([1]), outer):
        with pytest.raises(RuntimeError, match="task runner"):
            call()


@pytest.mark.behaviour(7)
def test_a_task_of_a_flow_may_submit() -> None:
    @task
    def outer() -> int:
        return give.submit(1).result() + sum(give.map([2, 3]).result())

    @flow
    def orders() -> int:
        return outer() + outer.submit().result()

    assert orders() == 12


@pytest.mark.behaviour(8)
def test_a_sync_flow_takes_results_of_async_tasks_without_awaiting() -> None:
    @task
    async def fetch(number: int) -> int:
        await asyncio.sleep(0)
        return number

    @flow
    def orders() -> int:
        coroutine = fetch(4)
        assert inspect.iscoroutine(coroutine)
        coroutine.close()
        return fetch.submit(1).result() + sum(fetch.map([2, 3]).result())

    assert orders() == 6


@pytest.mark.behaviour(8)
def test_an_async_flow_calls_sync_tasks_and_flows_directly() -> None:
    @flow
    def inner() -> int:
        return give(2)

    @flow
    async def orders() -> int:
        return give(1) + inner()

    assert asyncio.run(orders()) == 3


@pytest.mark.behaviour(9)
@pytest.mark.parametrize("decorate", [flow, task])
def test_the_decorators_work_bare_and_with_arguments_on_all_that_can_be_called(decorate: Any) -> None:
    class Adder:
        def __call__(self, number: int) -> int:
            return number + 1

    def plain(number: int) -> int:
        return number + 1

    for called in (decorate(plain), decorate()(plain), decorate(name="p")(plain), decorate(lambda number: number + 1)):
        assert called(1) == 2
    assert decorate(Adder())(1) == 2


@pytest.mark.behaviour(9)
@pytest.mark.parametrize("decorate", [flow, task])
def test_what_is_decorated_still_looks_like_the_function(decorate: Any) -> None:
    def load(day: str, limit: int = 10) -> list[str]:
        """Loads a day."""
        return [day]

    made = decorate(load)
    assert inspect.signature(made) == inspect.signature(load)
    assert (made.__name__, made.__doc__, made.fn) == ("load", "Loads a day.", load)
    assert list(inspect.signature(Shop().sell).parameters) == ["what"]


class Shop:
    """Methods of all kinds as tasks and flows."""

    def __init__(self) -> None:
        self.sold: list[str] = []

    @task
    def sell(self, what: str) -> list[str]:
        self.sold.append(what)
        return self.sold

    @flow
    def sell_all(self, *what: str) -> Shop:
        for each in what:
            self.sell(each)
        return self

    @task
    @classmethod
    def name_of_class(cls) -> str:
        return cls.__name__

    @flow
    @staticmethod
    def twice(number: int) -> int:
        return 2 * number


class Order(BaseModel):
    """A model that has a task."""

    model_config = ConfigDict(ignored_types=(Task,))
    amount: int

    @task
    def doubled(self) -> int:
        return 2 * self.amount


@pytest.mark.behaviour(9)
def test_methods_can_be_tasks_and_flows_and_keep_their_self() -> None:
    shop = Shop()
    assert shop.sell("tea") is shop.sold
    assert shop.sell_all("milk", "salt") is shop
    assert shop.sold == ["tea", "milk", "salt"]
    assert shop.name_of_class() == Shop.name_of_class() == "Shop"
    assert shop.twice(2) == Shop.twice(2) == 4
    assert Order(amount=3).doubled() == 6


@pytest.mark.behaviour(10)
def test_with_options_makes_another_object_and_keeps_what_is_not_given() -> None:
    names = ["a"]
    first = task(name="first", retries=3, retry_delay_seconds=5, timeout_seconds=9, tags=names)(lambda: None)
    second = first.with_options(name="second")
    names.append("b")
    assert (first.name, second.name) == ("first", "second")
    assert (second.retries, second.retry_delay_seconds, second.timeout_seconds) == (3, 5, 9)
    assert set(second.tags) == set(first.tags) == {"a"}


@pytest.mark.behaviour(10)
def test_zero_and_none_take_options_away() -> None:
    many = task(retries=3, retry_delay_seconds=5, timeout_seconds=9, persist_result=True)(lambda: None)
    none = many.with_options(retries=0, retry_delay_seconds=0, timeout_seconds=None, persist_result=None)
    assert (none.retries, none.retry_delay_seconds, none.timeout_seconds, none.persist_result) == (0, 0, None, None)
    assert flow(timeout_seconds=9)(lambda: None).with_options(timeout_seconds=0).timeout_seconds is None


@pytest.mark.behaviour(10)
@pytest.mark.parametrize("decorate", [flow, task])
def test_with_options_refuses_what_the_decorator_does_not_know(decorate: Any) -> None:
    with pytest.raises(TypeError, match="colour"):
        decorate(lambda: None).with_options(colour="red")
