"""Futures of submitted runs, and the runners that run them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.behaviour.bodies import Gate, OutOfStock, fail, give, total

from dalsegno import flow, tags, task
from dalsegno.context import FlowRunContext, get_run_context
from dalsegno.futures import as_completed, wait
from dalsegno.runtime import flow_run, task_run
from dalsegno.settings import temporary_settings
from dalsegno.task_runners import ConcurrentTaskRunner, ProcessPoolTaskRunner, ThreadPoolTaskRunner


@pytest.mark.behaviour(41)
def test_a_future_knows_its_run_and_its_state() -> None:
    gate = Gate()

    @task
    def slow() -> str:
        gate.pass_through()
        return "tea"

    @flow
    def orders() -> None:
        future = slow.submit()
        assert isinstance(future.task_run_id, uuid.UUID)
        assert future.state.type.value in ("PENDING", "RUNNING")
        assert future.wait(timeout=0.001) is None
        gate.open()
        assert future.wait() is None
        assert future.state.is_completed()
        assert future.result() == "tea"

    orders()


@pytest.mark.behaviour(41)
def test_a_future_raises_or_gives_what_the_run_failed_with() -> None:
    @flow
    def orders() -> Any:
        future = fail.submit("no tea")
        with pytest.raises(OutOfStock, match="no tea"):
            future.result()
        return task(quote_of)(future.result(raise_on_failure=False))

    def quote_of(error: Any) -> str:
        return str(error)

    assert orders() == "no tea"


@pytest.mark.behaviour(42)
def test_a_result_that_is_not_there_in_time_is_a_timeout_and_the_task_runs_on() -> None:
    gate = Gate()

    @task
    def slow() -> str:
        gate.pass_through()
        return "tea"

    @flow
    def orders() -> str:
        future = slow.submit()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.001)
        gate.open()
        return future.result()

    assert orders() == "tea"


@pytest.mark.behaviour(43)
def test_wait_tells_what_is_done_and_what_is_not() -> None:
    gate = Gate()

    @task
    def slow() -> None:
        gate.pass_through()

    @flow
    def orders() -> None:
        quick, held = give.submit(1), slow.submit()
        quick.wait()
        found = wait([quick, held], timeout=0.001)
        assert (found.done, found.not_done) == ({quick}, {held})
        gate.open()
        done, not_done = wait([quick, held])
        assert (done, not_done) == ({quick, held}, set())

    orders()


@pytest.mark.behaviour(43)
def test_as_completed_goes_by_the_order_of_their_ends() -> None:
    gates = [Gate(), Gate()]

    @task
    def slow(number: int) -> int:
        gates[number].pass_through()
        return number

    @flow
    def orders() -> list[int]:
        futures = slow.map([0, 1])
        gates[1].open()
        ended = as_completed(futures)
        first = next(ended)
        gates[0].open()
        return [first.result(), next(ended).result()]

    assert orders() == [1, 0]


@pytest.mark.behaviour(43)
def test_as_completed_raises_when_time_is_up() -> None:
    gate = Gate()

    @task
    def slow() -> None:
        gate.pass_through()

    @flow
    def orders() -> None:
        futures = [give.submit(1), slow.submit(), slow.submit()]
        futures[0].wait()
        with pytest.raises(TimeoutError, match=r"^2 \(of 3\) futures unfinished$"):
            list(as_completed(futures, timeout=0.02))
        for waits in (wait, lambda *args: list(as_completed(*args))):
            with pytest.raises(ValueError, match="negative"):
                waits(futures, -1)
        gate.open()

    orders()


@pytest.mark.behaviour(44)
def test_map_gives_a_list_of_futures_with_their_results_in_order() -> None:
    @task
    def half(number: int) -> float:
        if number % 2:
            raise OutOfStock(number)
        return number / 2

    @flow
    def orders() -> None:
        futures = half.map([2, 4])
        assert isinstance(futures, list)
        assert futures.wait() is None
        assert futures.result() == [1, 2]
        mixed = half.map([2, 3, 5])
        with pytest.raises(OutOfStock, match="^3$"):
            mixed.result()
        assert [type(each).__name__ for each in mixed.result(raise_on_failure=False)] == [
            "float",
            "OutOfStock",
            "OutOfStock",
        ]

    orders()


@pytest.mark.behaviour(44)
def test_the_time_to_wait_for_a_list_is_for_all_of_them() -> None:
    gate = Gate()

    @task
    def slow(number: int) -> None:
        gate.pass_through()

    @flow
    def orders() -> None:
        futures = slow.map([1, 2])
        assert futures.wait(timeout=0.001) is None
        with pytest.raises(TimeoutError):
            futures.result(timeout=0.001)
        gate.open()

    orders()


@pytest.mark.behaviour(45)
def test_a_runner_is_given_as_an_object_or_as_its_class() -> None:
    assert ConcurrentTaskRunner is ThreadPoolTaskRunner
    assert flow(task_runner=ThreadPoolTaskRunner)(lambda: None).task_runner == ThreadPoolTaskRunner()
    assert ThreadPoolTaskRunner(2) == ThreadPoolTaskRunner(max_workers=2) != ThreadPoolTaskRunner(3)


@pytest.mark.behaviour(45)
def test_a_runner_by_itself_works_inside_of_with_alone() -> None:
    runner = ThreadPoolTaskRunner(max_workers=2)
    with pytest.raises(RuntimeError, match="with runner"):
        runner.submit(give, {"value": 1})

    @flow
    def orders() -> Any:
        with runner:
            return runner.submit(give, {"value": 1}).result(), runner.map(give, {"value": [2, 3]}).result()

    assert orders() == (1, [2, 3])


@pytest.mark.behaviour(45)
def test_at_most_as_many_tasks_run_at_a_time_as_there_are_workers() -> None:
    running: list[int] = []
    most: list[int] = []

    @task
    def busy(number: int) -> None:
        running.append(number)
        most.append(len(running))
        running.remove(number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def orders() -> None:
        busy.map(range(20))

    orders()
    assert most == [1] * 20


@pytest.mark.behaviour(46)
def test_a_submitted_task_stands_in_the_place_where_it_was_submitted() -> None:
    @task
    def look() -> Any:
        return task_run.tags, flow_run.id, type(get_run_context()).__name__, FlowRunContext.get().flow.name

    @flow(name="Orders")
    def orders() -> None:
        with tags("a", "b"):
            future = look.submit()
        plain = look.submit()
        assert future.result() == (["a", "b"], flow_run.id, "TaskRunContext", "Orders")
        assert plain.result()[0] == []

    orders()


@pytest.mark.behaviour(47)
def test_tasks_can_run_in_other_processes() -> None:
    @task
    def look(number: int) -> Any:
        import os

        return number, os.getpid(), task_run.tags, flow_run.id

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def orders() -> None:
        import os

        with tags("a"):
            future = look.submit(give.submit(4), wait_for=[give.submit(1)])
        refused = look.submit(1, wait_for=[fail.submit()])
        assert refused.wait() is None
        assert refused.state.name == "NotReady"
        number, process, found, of_flow = future.result()
        assert (number, found, of_flow) == (4, ["a"], flow_run.id)
        assert process != os.getpid()

    orders()


@pytest.mark.behaviour(106)
@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_that_submit_and_wait_cannot_use_up_the_pool(workers: int) -> None:
    @task
    def tree(depth: int) -> int:
        if depth == 0:
            return 1
        return total(*tree.map([depth - 1] * 2).result())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=workers))
    def orders() -> int:
        return sum(tree.map([4, 4]).result())

    assert orders() == 32


@pytest.mark.behaviour(106)
def test_the_default_pool_is_bounded_and_still_cannot_be_used_up() -> None:
    @task
    def outer(number: int) -> int:
        return give.submit(number).result()

    @flow
    def orders() -> int:
        return sum(outer.map(range(50)).result())

    with temporary_settings({"DALSEGNO_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": 3}):
        assert orders() == sum(range(50))
