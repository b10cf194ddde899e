"""The runtime inside real runs."""

from __future__ import annotations

import asyncio
from typing import Any

from dalsegno._backend.connect import connect
from dalsegno.context import tags
from dalsegno.flows import flow
from dalsegno.model.ids import id_text
from dalsegno.model.views import Page, RunFilter
from dalsegno.runtime import flow_run, task_run
from dalsegno.tasks import task


def seen_in(module: Any) -> dict[str, Any]:
    return {name: getattr(module, name) for name in dir(module)}


@task(tags=["cleaning"])
def look(order: int, extra: str = "none") -> tuple[dict[str, Any], dict[str, Any]]:
    return seen_in(flow_run), seen_in(task_run)


@flow(name="Look around", version="7")
def looking(day: str = "2026-01-31") -> Any:
    return seen_in(flow_run), seen_in(task_run), look(1)


def test_a_flow_knows_its_run() -> None:
    with tags("nightly"):
        seen, in_task, _ = looking()
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    assert seen["id"] == seen["root_flow_run_id"] == id_text(run.id)
    assert (seen["name"], seen["flow_name"], seen["flow_version"]) == (run.name, "Look around", "7")
    assert seen["parameters"] == {"day": "2026-01-31"}
    assert (seen["tags"], seen["run_count"], seen["parent_flow_run_id"]) == (["nightly"], 1, None)
    assert (in_task["id"], in_task["run_count"]) == (None, 0)


def test_a_task_knows_its_run_and_that_of_its_flow() -> None:
    with tags("nightly"):
        in_flow, _, (seen_flow, seen) = looking()
    (run,) = connect().list_task_runs(RunFilter(), Page())
    assert seen_flow == in_flow
    assert (seen["id"], seen["name"], seen["task_name"]) == (id_text(run.id), run.name, "look")
    assert seen["parameters"] == {"order": 1, "extra": "none"}
    assert seen["tags"] == ["cleaning", "nightly"]
    assert (seen["run_count"], seen["idempotency_key"]) == (1, f"{id_text(run.id)}-0")


def test_a_submitted_task_and_a_coroutine_know_theirs() -> None:
    @task
    async def look_async() -> tuple[str | None, str | None]:
        return flow_run.id, task_run.id

    @flow
    async def outer() -> Any:
        return await look_async(), look.submit(2).result(), flow_run.id

    (flow_id, task_id), (_, submitted), own = asyncio.run(outer())
    assert flow_id == own
    assert len({own, task_id, submitted["id"]}) == 3
    assert submitted["parameters"]["order"] == 2


def test_a_nested_flow_knows_its_parent_and_root() -> None:
    @flow
    def inner() -> Any:
        return seen_in(flow_run)

    @flow
    def outer() -> Any:
        return flow_run.id, inner(), flow_run.id

    before, seen, after = outer()
    assert before == after == seen["parent_flow_run_id"] == seen["root_flow_run_id"]
    assert seen["id"] != before
    assert seen["flow_name"] == "inner"


def test_a_task_outside_flows_has_no_flow_run() -> None:
    seen_flow, seen = look(3)
    assert (seen_flow["id"], seen_flow["parameters"], seen_flow["root_flow_run_id"]) == (None, {}, None)
    assert seen["task_name"] == "look"


def test_the_run_count_grows_with_each_run_and_the_idempotency_key_stays() -> None:
    counts: list[tuple[int, str | None]] = []

    @task(retries=2)
    def flaky() -> None:
        counts.append((task_run.run_count, task_run.idempotency_key))
        if len(counts) < 3:
            raise ValueError

    flow_counts: list[int] = []

    @flow(retries=1)
    def twice() -> None:
        flow_counts.append(flow_run.run_count)
        flaky()
        if len(flow_counts) < 2:
            raise ValueError

    twice()
    assert [count for count, _ in counts] == [1, 2, 3]
    assert len({key for _, key in counts}) == 1
    assert flow_counts == [1, 2]


def test_names_can_be_made_from_the_runtime() -> None:
    @task(task_run_name=lambda: f"of-{flow_run.flow_name}")
    def named() -> str | None:
        return task_run.name

    @flow(flow_run_name=lambda: f"{flow_run.parameters['day']}-run")
    def dated(day: str) -> Any:
        return flow_run.name, named()

    assert dated("monday") == ("monday-run", "of-dated")
