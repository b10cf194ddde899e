"""`run_deployment`: asking for a run, waiting for it, and what becomes of that when the flow that asks runs again."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.deployments.conftest import Write, served

from dalsegno import flow, retry_flow_run
from dalsegno._backend.embedded import StoreBackend
from dalsegno.deployments import run_deployment
from dalsegno.exceptions import InvalidParameters, ObjectNotFound, RunCancelled
from dalsegno.flows import Flow
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page, RunFilter

ETL = """
    from pathlib import Path
    from dalsegno import flow

    @flow
    def etl(day: str = "x", n: int = 1):
        with open("ran", "a") as file:
            file.write(f"{day}{n}\\n")
        if Path("broken").exists():
            raise ValueError("no orders")
        return day
"""


@pytest.fixture
def etl(write: Write) -> Flow[..., Any]:
    return write(ETL)


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    return path.read_text().splitlines() if path.exists() else []


def test_a_run_is_asked_for_and_waited_for(etl: Flow[..., Any], folder: Path) -> None:
    with served(etl.to_deployment("eu", parameters={"n": 2})):
        run = run_deployment("etl/eu", parameters={"day": "monday"}, flow_run_name="mine", tags=["a"])
    assert (run.state.name, run.name, run.tags) == ("Completed", "mine", ["a"])
    assert ran(folder) == ["monday2"]


def test_in_a_coroutine_it_is_awaited(etl: Flow[..., Any]) -> None:
    @flow
    async def parent() -> str:
        runs: list[Any] = await asyncio.gather(run_deployment("etl/eu"), run_deployment("etl/eu", parameters={"n": 2}))
        return ",".join(run.state.name for run in runs)

    with served(etl.to_deployment("eu")):
        assert asyncio.run(parent()) == "Completed,Completed"


def test_without_waiting_the_run_is_given_back_as_it_is(etl: Flow[..., Any], store: StoreBackend) -> None:
    etl.to_deployment("eu").apply()
    assert run_deployment("etl/eu", timeout=0).state.name == "Scheduled"
    assert run_deployment("etl/eu", timeout=0.2).state.name == "Scheduled"


def test_a_flow_that_is_picked_up_does_not_ask_again(etl: Flow[..., Any], folder: Path) -> None:
    @flow(retries=1)
    def parent() -> str:
        run = run_deployment("etl/eu", parameters={"day": "once"})
        if not (folder / "later").exists():
            (folder / "later").touch()
            raise RuntimeError("after it")
        return run.state.name

    with served(etl.to_deployment("eu")):
        assert parent() == "Completed"
    assert ran(folder) == ["once1"]


def test_the_same_call_twice_asks_twice(etl: Flow[..., Any], folder: Path) -> None:
    @flow
    def parent() -> None:
        for _ in range(2):
            run_deployment("etl/eu", parameters={"day": "again"})

    with served(etl.to_deployment("eu")):
        parent()
    assert ran(folder) == ["again1", "again1"]


def test_one_that_failed_is_asked_for_anew_when_the_flow_runs_again(etl: Flow[..., Any], folder: Path) -> None:
    (folder / "broken").touch()

    @flow
    def parent() -> str:
        name = run_deployment("etl/eu").state.name
        if name != "Completed":
            raise RuntimeError(name)
        return name

    with served(etl.to_deployment("eu")):
        state = parent(return_state=True)
        assert state.is_failed()
        assert "Failed" in str(state.message)
        (folder / "broken").unlink()
        flow_run_id = state.state_details.flow_run_id
        assert flow_run_id is not None
        assert retry_flow_run(flow_run_id, flow=parent) == "Completed"
    assert len(ran(folder)) == 2


def test_the_step_stands_for_the_run_in_the_flow_that_asks(etl: Flow[..., Any], store: StoreBackend) -> None:
    @flow
    def parent() -> None:
        run_deployment("etl/eu")

    with served(etl.to_deployment("eu")):
        parent()
    steps = store.list_task_runs(RunFilter(), Page(limit=10))
    assert [(step.name, step.state.name) for step in steps] == [("etl/eu", "Completed")]


def test_the_idempotency_key_of_the_user_goes_first(etl: Flow[..., Any], folder: Path) -> None:
    with served(etl.to_deployment("eu")):
        first = run_deployment("etl/eu", idempotency_key="order 17")
        second = run_deployment("etl/eu", idempotency_key="order 17")
    assert first.id == second.id
    assert len(ran(folder)) == 1


def test_a_flow_that_waits_can_be_cancelled(etl: Flow[..., Any], store: StoreBackend) -> None:
    etl.to_deployment("eu").apply()  # Nobody serves it.
    ended: list[BaseException] = []

    @flow
    def parent() -> None:
        run_deployment("etl/eu")

    def call() -> None:
        try:
            parent()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    deadline = time.monotonic() + 30
    while not store.list_task_runs(RunFilter(), Page(limit=1)) and time.monotonic() < deadline:
        time.sleep(0.02)
    (run,) = [run for run in store.list_flow_runs(RunFilter(), Page(limit=10)) if run.flow_name == "parent"]
    assert store.request_cancel(run.id)
    thread.join(30)
    assert not thread.is_alive()
    assert "Cancel" in type(ended[0]).__name__ or isinstance(ended[0], RunCancelled)


def test_a_timeout_breaks_the_wait_off(etl: Flow[..., Any]) -> None:
    etl.to_deployment("eu").apply()

    @flow(timeout_seconds=0.5)
    def parent() -> None:
        run_deployment("etl/eu")

    assert parent(return_state=True).name == "TimedOut"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("etl/us", "Did you mean 'etl/eu'"),
        ("eu", "is named as \"flow/deployment\".*Did you mean 'etl/eu'"),
        (id_text(bytes(16)), "There is no deployment"),
    ],
)
def test_a_deployment_that_is_not_there_is_named(etl: Flow[..., Any], name: str, message: str) -> None:
    etl.to_deployment("eu").apply()
    with pytest.raises(ObjectNotFound, match=message):
        run_deployment(name, timeout=0)


def test_parameters_that_do_not_fit_are_refused_when_they_are_asked_with(etl: Flow[..., Any]) -> None:
    etl.to_deployment("eu").apply()
    with pytest.raises(InvalidParameters, match="n: 'many' is not of type 'integer'"):
        run_deployment("etl/eu", parameters={"n": "many"}, timeout=0)
    with pytest.raises(TypeError, match="'day' of type object cannot be written as JSON"):
        run_deployment("etl/eu", parameters={"day": object()}, timeout=0)
