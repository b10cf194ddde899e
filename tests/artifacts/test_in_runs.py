"""Artifacts that real runs leave."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from dalsegno._backend.connect import connect
from dalsegno.artifacts import (
    Artifact,
    acreate_markdown_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from dalsegno.flows import flow
from dalsegno.model.views import ArtifactView, Page
from dalsegno.runtime import flow_run, task_run
from dalsegno.tasks import task


def recorded() -> list[ArtifactView]:
    return connect().list_artifacts(page=Page(oldest_first=True))


def data() -> list[str]:
    return [artifact.data for artifact in recorded()]


def text_of(id_: bytes | None) -> str | None:
    return None if id_ is None else str(uuid.UUID(bytes=id_))


def test_an_artifact_belongs_to_the_runs_that_made_it() -> None:
    @task
    def reporting() -> Any:
        return create_table_artifact([{"a": 1}], key="orders"), task_run.id

    @flow
    def nightly() -> Any:
        made = create_markdown_artifact("# Report")
        return flow_run.id, made, *reporting()

    flow_id, first, second, task_id = nightly()
    found = {artifact.id: artifact for artifact in recorded()}
    of_flow, of_task = found[first.bytes], found[second.bytes]
    assert (text_of(of_flow.flow_run_id), of_flow.task_run_id, of_flow.key) == (flow_id, None, None)
    assert (text_of(of_task.flow_run_id), text_of(of_task.task_run_id), of_task.key) == (
        flow_id,
        task_id,
        "orders",
    )


def test_artifacts_with_one_key_are_a_history_with_the_newest_last() -> None:
    @flow
    def counting() -> None:
        for number in range(20):
            create_markdown_artifact(str(number), key="count")

    counting()
    assert data() == [f'"{number}"' for number in range(20)]
    newest = Artifact.get("count")
    assert newest is not None
    assert newest.data == "19"


def test_a_run_finds_what_it_has_just_made() -> None:
    @flow
    def reading() -> Any:
        create_markdown_artifact("here", key="fresh")
        return Artifact.get("fresh").data  # pyright: ignore[reportOptionalMemberAccess]

    assert reading() == "here"


def test_a_body_that_runs_again_doubles_nothing() -> None:
    tries: list[str] = []

    @task(retries=1)
    def flaky() -> None:
        tries.append("task")
        create_markdown_artifact(f"of the task, try {tries.count('task')}", key="of-task")
        if tries.count("task") < 2:
            raise ValueError

    @flow(retries=1)
    def again() -> None:
        tries.append("flow")
        create_markdown_artifact("of the flow", key="of-flow")
        create_markdown_artifact("without a key")
        flaky()
        if tries.count("flow") < 2:
            raise ValueError

    again()
    assert tries == ["flow", "task", "task", "flow"]
    assert sorted(data()) == ['"of the flow"', '"of the task, try 2"', '"without a key"']


def test_progress_is_one_artifact_however_often_it_changes() -> None:
    @task
    def loading() -> None:
        progress = create_progress_artifact(0, key="files", description="Files")
        for percent in range(1, 101):
            update_progress_artifact(progress, percent)

    @flow
    def nightly() -> None:
        loading()

    nightly()
    (artifact,) = recorded()
    assert (artifact.data, artifact.description) == ("100.0", "Files")


def test_the_progress_of_another_run_can_be_changed() -> None:
    made = create_progress_artifact(0)

    @flow
    def helping() -> None:
        update_progress_artifact(made, 70)

    helping()
    assert data() == ["70.0"]


def test_coroutines_make_artifacts() -> None:
    @task
    async def reporting(number: int) -> None:
        await create_markdown_artifact(f"awaited {number}")
        create_markdown_artifact(f"not awaited {number}")
        await acreate_markdown_artifact(f"twin {number}")

    @flow
    async def nightly() -> None:
        await asyncio.gather(*(reporting(number) for number in range(3)))

    asyncio.run(nightly())
    assert sorted(data()) == sorted(
        f'"{kind} {number}"' for kind in ("awaited", "not awaited", "twin") for number in range(3)
    )


def test_a_failed_run_keeps_its_artifacts() -> None:
    @flow
    def failing() -> None:
        create_markdown_artifact("evidence")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert data() == ['"evidence"']


def test_hooks_make_artifacts() -> None:
    def note(flow: Any, flow_run: Any, state: Any) -> None:
        create_markdown_artifact(f"the hook of {state.name}")

    @task(on_failure=[note])
    def broken() -> None:
        raise ValueError

    @flow(on_failure=[note], on_completion=[note])
    def hooked() -> None:
        broken(return_state=True)

    hooked()
    assert sorted(data()) == ['"the hook of Completed"', '"the hook of Failed"']


def test_an_id_can_be_a_result() -> None:
    @task
    def making() -> Any:
        return create_progress_artifact(1)

    @flow
    def passing() -> None:
        update_progress_artifact(making(), 2)
        update_progress_artifact(making.submit().result(), 3)
        with pytest.raises(TypeError, match="of a future use its result"):
            update_progress_artifact(making.submit(), 4)  # pyright: ignore[reportArgumentType]

    passing()
    assert sorted(data()) == ["1.0", "2.0", "3.0"]  # made within one millisecond they have no order
