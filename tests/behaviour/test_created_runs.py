"""Task runs that are made without being run."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from tests.behaviour.bodies import give

from dalsegno import flow, runtime, task
from dalsegno._backend.connect import connect
from dalsegno.context import get_run_context
from dalsegno.exceptions import ParameterBindError
from dalsegno.model.ids import new_id
from dalsegno.model.views import Page, RunFilter, TaskRunView

called: list[Any] = []


@task(tags=["blue"])
def note(first: Any, second: Any = 2) -> None:
    called.append((first, second))


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    called.clear()


def recorded(id: uuid.UUID) -> TaskRunView | None:
    return connect().read_task_run(id.bytes)


def recorded_names() -> list[str]:
    return [run.task_name for run in connect().list_task_runs(RunFilter(), Page())]


@pytest.mark.behaviour(133)
def test_a_created_run_is_recorded_as_pending_below_the_flow_and_does_not_run() -> None:
    @flow
    def orders() -> tuple[Any, Any]:
        run = note.create_run(parameters={"first": 7})
        view = recorded(run.id)
        assert view is not None
        assert (view.state.name, view.task_name, view.run_count) == ("Pending", "note", 0)
        return run, runtime.flow_run.id

    run, flow_run_id = orders()
    assert (run.state.name, run.parameters, run.tags) == ("Pending", {"first": 7}, ["blue"])
    assert str(run.flow_run_id) == str(flow_run_id)
    view = recorded(run.id)
    assert view is not None
    assert view.flow_run_id == run.flow_run_id.bytes
    assert called == []


@pytest.mark.behaviour(133)
def test_outside_of_runs_a_created_run_stands_by_itself() -> None:
    run = note.create_run(parameters={"first": 7})
    assert run.flow_run_id is None
    view = recorded(run.id)
    assert view is not None
    assert view.state.name == "Pending"
    assert called == []


@pytest.mark.behaviour(133)
def test_its_upstreams_are_recorded() -> None:
    @flow
    def orders() -> tuple[Any, set[bytes]]:
        first, second, third = give.submit(1), give.submit(2), give.submit(3)
        run = note.create_run(parameters={"first": [first]}, wait_for=[second], extra_task_inputs={"more": [third]})
        return run, {future.task_run_id.bytes for future in (first, second, third)}

    run, ids = orders()
    view = recorded(run.id)
    assert view is not None
    assert {id_ for _, id_ in view.upstream} == ids


@pytest.mark.behaviour(133)
def test_it_can_be_placed_below_a_run_by_its_context_and_be_given_an_id() -> None:
    contexts: list[Any] = []
    id_ = uuid.UUID(bytes=new_id())

    @task
    def inside() -> str:
        contexts.append(get_run_context())
        return str(runtime.task_run.id)

    @flow
    def orders() -> tuple[str, Any]:
        parent = inside()
        return parent, note.create_run(id=id_, parent_task_run_context=contexts[0])

    parent, run = orders()
    assert run.id == id_
    view = recorded(id_)
    assert view is not None
    assert str(uuid.UUID(bytes=view.parent_task_run_id)) == parent  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="version 7"):
        note.create_run(id=uuid.uuid4())


@pytest.mark.behaviour(133)
def test_a_deferred_one_is_scheduled() -> None:
    run = note.create_run(deferred=True)
    assert (run.state.name, run.state.state_details.scheduled_time is None) == ("Scheduled", False)
    view = recorded(run.id)
    assert view is not None
    assert view.state.name == "Scheduled"


@pytest.mark.behaviour(133)
def test_a_local_one_is_not_recorded() -> None:
    run = note.create_local_run(parameters={"first": 1})
    assert (run.state.name, run.parameters) == ("Pending", {"first": 1})
    assert recorded_names() == []


@pytest.mark.behaviour(133)
def test_unknown_parameters_are_refused_by_name() -> None:
    with pytest.raises(ParameterBindError, match="'third'"):
        note.create_run(parameters={"third": 3})
    assert recorded_names() == []


@pytest.mark.behaviour(133)
def test_in_coroutines_it_is_awaited() -> None:
    async def create() -> Any:
        return await note.create_run(parameters={"first": 1}), await note.create_local_run()

    kept, local = asyncio.run(create())
    assert recorded(kept.id) is not None
    assert recorded(local.id) is None
    assert called == []
