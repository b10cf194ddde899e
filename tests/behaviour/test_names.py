"""Names and tags of runs, and what code can learn about the run that it is in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock

from dalsegno import flow, get_run_logger, tags, task
from dalsegno.context import FlowRunContext, TaskRunContext, get_run_context
from dalsegno.exceptions import MissingContextError
from dalsegno.runtime import flow_run, task_run


@pytest.mark.behaviour(66)
def test_names_come_from_functions() -> None:
    def nightly_orders() -> None: ...

    assert flow(nightly_orders).name == "nightly-orders"
    assert task(nightly_orders).name == "nightly_orders"
    assert task(name="Read it / all")(nightly_orders).name == "Read it / all"
    assert flow(lambda: 1)() == task(lambda: 1)() == 1


@pytest.mark.behaviour(66)
@pytest.mark.parametrize("character", list("/%&><"))
def test_names_of_flows_leave_some_characters_out(character: str) -> None:
    with pytest.raises(ValueError, match=re.escape(character)):
        flow(name=f"a{character}b")(lambda: None)


@pytest.mark.behaviour(66)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_name_that_is_no_text_is_refused(decorate: Any) -> None:
    with pytest.raises(TypeError, match="name"):
        decorate(name=3)(lambda: None)


def named(decorate: Any, template: Any) -> Any:
    """Give a function that runs a flow or task whose runs are named by the template, and gives the name."""
    runtime, option = (flow_run, "flow_run_name") if decorate is flow else (task_run, "task_run_name")

    def body(user: Any, day: str = "monday") -> str:
        return runtime.name

    return decorate(**{option: template})(body)


@pytest.mark.behaviour(67)
@pytest.mark.parametrize("decorate", [flow, task])
def test_names_of_runs_are_templates_over_the_parameters(decorate: Any) -> None:
    assert named(decorate, "{user.name} on {day}")(SimpleNamespace(name="Ann")) == "Ann on monday"


@pytest.mark.behaviour(67)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_field_that_is_no_parameter_fails_the_run(decorate: Any) -> None:
    with pytest.raises(KeyError, match="colour"):
        named(decorate, "{colour}")("Ann")
    state = named(decorate, "{colour}")("Ann", return_state=True)
    assert state.is_failed()


@pytest.mark.behaviour(67)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_function_may_make_the_name(decorate: Any) -> None:
    assert named(decorate, lambda: "no arguments")("Ann") == "no arguments"
    assert named(decorate, lambda parameters: f"{parameters['day']}!")("Ann") == "monday!"
    with pytest.raises(TypeError, match="string"):
        named(decorate, lambda: 3)("Ann")
    with pytest.raises(TypeError, match="run_name"):
        named(decorate, 3)


@pytest.mark.behaviour(67)
def test_the_function_may_use_the_runtime_and_is_called_once_for_a_run() -> None:
    calls: list[Any] = []

    def name_it() -> str:
        calls.append(flow_run.flow_name)
        return f"run {len(calls)} of {flow_run.id}"

    @flow(name="Orders", flow_run_name=name_it, retries=1)
    def orders() -> Any:
        if flow_run.run_count == 1:
            raise OutOfStock
        return flow_run.name, flow_run.id

    name, id_ = orders()
    assert name == f"run 1 of {id_}"
    assert calls == ["Orders"]


@pytest.mark.behaviour(67)
def test_the_name_of_a_task_run_may_come_from_the_flow_around_it() -> None:
    calls: list[Any] = []

    def name_it() -> str:
        calls.append(1)
        return f"a step of {flow_run.name}"

    @task(task_run_name=name_it, retries=1)
    def step() -> str:
        if task_run.run_count == 1:
            raise OutOfStock
        return task_run.name

    @flow(flow_run_name="the orders")
    def orders() -> str:
        return step()

    assert orders() == "a step of the orders"
    assert len(calls) == 1


@pytest.mark.behaviour(68)
def test_runs_have_names_by_themselves() -> None:
    @task
    def say_hello() -> str:
        return task_run.name

    @flow
    def orders() -> Any:
        return flow_run.name, say_hello(), say_hello.with_options(name="wave")()

    of_flow, of_task, renamed = orders()
    assert re.fullmatch(r"[a-z]+-[a-z]+", of_flow)
    assert re.fullmatch(r"say_hello-[0-9a-f]{3}", of_task)
    assert re.fullmatch(r"wave-[0-9a-f]{3}", renamed)


@pytest.mark.behaviour(69)
def test_tags_reach_all_that_is_started_inside() -> None:
    @task(tags=["own"])
    def look() -> Any:
        return flow_run.tags, task_run.tags

    @flow
    def inner() -> Any:
        return flow_run.tags, look()

    @flow
    def orders() -> Any:
        with tags("c") as current:
            assert current == {"a", "b", "c"}
            return inner(), look.submit().result()

    with tags("a"), tags("b"):
        of_inner, of_submitted = orders()
    assert of_inner == (["a", "b", "c"], (["a", "b", "c"], ["a", "b", "c", "own"]))
    assert of_submitted == (["a", "b"], ["a", "b", "c", "own"])
    assert look() == ([], ["own"])


@pytest.mark.behaviour(70)
def test_outside_of_runs_the_runtime_has_nothing_to_tell() -> None:
    assert (flow_run.id, flow_run.name, flow_run.tags, flow_run.parameters, flow_run.run_count) == (
        None,
        None,
        [],
        {},
        0,
    )
    assert (task_run.id, task_run.name, task_run.tags, task_run.parameters, task_run.run_count) == (
        None,
        None,
        [],
        {},
        0,
    )
    assert abs((flow_run.scheduled_start_time - datetime.now(UTC)).total_seconds()) < 5
    with pytest.raises(AttributeError, match="colour"):
        _ = flow_run.colour


@pytest.mark.behaviour(70)
def test_the_runtime_tells_about_the_run_and_those_above_it() -> None:
    @flow(name="Inner")
    def inner(number: int) -> Any:
        return {name: getattr(flow_run, name) for name in dir(flow_run)}

    @flow(name="Outer", version="3")
    def outer() -> Any:
        return inner("4"), flow_run.id, flow_run.root_flow_run_id, flow_run.flow_version

    found, id_, root, version = outer()
    assert isinstance(id_, str)
    assert (root, version) == (id_, "3")
    assert (found["parent_flow_run_id"], found["root_flow_run_id"]) == (id_, id_)
    assert (found["flow_name"], found["parameters"], found["run_count"]) == ("Inner", {"number": 4}, 1)


@pytest.mark.behaviour(70)
def test_the_environment_overrides_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO__RUNTIME__FLOW_RUN__RUN_COUNT", "7")
    monkeypatch.setenv("DALSEGNO__RUNTIME__TASK_RUN__NAME", "mine")
    assert (flow_run.run_count, task_run.name) == (7, "mine")


@pytest.mark.behaviour(71)
def test_in_a_task_the_flow_run_is_that_around_it_and_parameters_are_the_resolved_ones() -> None:
    @task
    def look(number: int) -> Any:
        return flow_run.id, task_run.parameters

    @flow
    def orders() -> Any:
        first = look.submit(1)
        return flow_run.id, task(lambda found: (flow_run.id, task_run.parameters["found"]))(first)

    id_, (seen, parameter) = orders()
    assert seen == id_
    assert parameter == (id_, {"number": 1})


@pytest.mark.behaviour(72)
def test_the_context_is_that_of_the_innermost_run() -> None:
    @task
    def look() -> Any:
        return get_run_context(), TaskRunContext.get(), FlowRunContext.get()

    @flow
    def orders() -> Any:
        return get_run_context(), TaskRunContext.get(), look()

    of_flow, no_task, (of_task, same, around) = orders()
    assert isinstance(of_flow, FlowRunContext)
    assert isinstance(of_task, TaskRunContext)
    assert (of_flow.flow, around, same, no_task) == (orders, of_flow, of_task, None)


@pytest.mark.behaviour(72)
def test_outside_of_runs_there_is_none() -> None:
    for ask in (get_run_context, get_run_logger):
        with pytest.raises(MissingContextError):
            ask()
    assert FlowRunContext.get() is TaskRunContext.get() is None


@pytest.mark.behaviour(73)
def test_versions_and_descriptions_have_defaults() -> None:
    @flow
    def orders() -> None:
        """Sends what was ordered."""

    @flow
    def other() -> None: ...

    assert orders.description == "Sends what was ordered."
    assert orders.version == other.version
    assert re.fullmatch(r"[0-9a-f]{8,}", orders.version)
    assert task(lambda: None).version is None
    assert flow(version="2")(lambda: None).version == "2"
