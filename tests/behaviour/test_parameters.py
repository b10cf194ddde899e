"""Parameters of flows, which are checked and coerced, and of tasks, which are not."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from dalsegno import flow, task
from dalsegno.exceptions import ParameterTypeError
from dalsegno.runtime import flow_run


class Order(BaseModel):
    """What somebody ordered."""

    item: str
    amount: int = 1


@flow
def count(number: int, orders: list[Order] | None = None) -> Any:
    return number, orders


@pytest.mark.behaviour(74)
@pytest.mark.parametrize(("given", "wanted"), [("5", 5), (1.0, 1), (True, 1)])
def test_parameters_of_flows_are_coerced_by_their_annotations(given: Any, wanted: int) -> None:
    found, _ = count(given)
    assert (found, type(found)) == (wanted, int)


@pytest.mark.behaviour(74)
def test_dicts_become_models_also_in_lists() -> None:
    _, orders = count(1, [{"item": "tea", "amount": "2"}, Order(item="salt")])
    assert orders == [Order(item="tea", amount=2), Order(item="salt")]


@pytest.mark.behaviour(74)
@pytest.mark.parametrize("given", [1.5, None, "many"])
def test_what_does_not_fit_fails_the_run_before_its_body(given: Any) -> None:
    happened: list[str] = []

    @flow(
        on_running=[lambda *_: happened.append("running")],
        on_completion=[lambda *_: happened.append("completion")],
        on_failure=[lambda *_: happened.append("failure")],
    )
    def orders(number: int) -> None:
        happened.append("body")

    with pytest.raises(ParameterTypeError, match="number"):
        orders(given)
    state = orders(given, return_state=True)
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), ParameterTypeError)
    assert happened == ["failure", "failure"]


@pytest.mark.behaviour(74)
def test_checking_can_be_switched_off_and_tasks_never_do_it() -> None:
    def same(number: int) -> Any:
        return number

    assert flow(validate_parameters=False)(same)("5") == "5"
    assert task(same)("5") == "5"


@pytest.mark.behaviour(75)
@pytest.mark.parametrize("decorate", [flow, task])
def test_what_cannot_be_serialized_is_a_parameter_like_others(decorate: Any) -> None:
    lock = threading.Lock()
    assert decorate(lambda value: value is lock)(lock)


@pytest.mark.behaviour(75)
def test_arguments_of_tasks_are_the_callers_own_objects() -> None:
    numbers = [1]

    @task
    def add(to: list[int]) -> None:
        to.append(2)

    add(numbers)
    flow(lambda: add.submit(numbers).result())()
    assert numbers == [1, 2, 2]


@pytest.mark.behaviour(76)
def test_extra_arguments_are_coerced_too() -> None:
    @flow
    def gather(*numbers: int, **more: float) -> Any:
        return numbers, more

    assert gather("1", "2", third="3") == ((1, 2), {"third": 3.0})


@pytest.mark.behaviour(76)
def test_recorded_parameters_include_the_defaults() -> None:
    @flow
    def orders(day: str, limit: int = 10) -> Any:
        return flow_run.parameters

    assert orders("monday") == {"day": "monday", "limit": 10}
    assert json.loads(json.dumps(orders.serialize_parameters({"day": "monday"}))) == {"day": "monday"}
