"""The context of a run in threads and processes that user code starts itself."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from dalsegno import flow, get_run_logger, runtime, tags, task
from dalsegno.context import (
    FlowRunContext,
    TaskRunContext,
    get_settings_context,
    hydrated_context,
    serialize_context,
    with_context,
)
from dalsegno.testing import Harness


@task
def triple(number: int) -> int:
    return 3 * number


def look(number: int) -> tuple[object, object, int]:
    get_run_logger().info("looking at %d", number)
    return runtime.flow_run.id, runtime.task_run.id, triple(number)


@task
def in_threads() -> list[tuple[object, object, int]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(with_context(look), [1, 2]))


@task
def in_processes() -> list[tuple[object, object, int]]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(with_context(look), [1, 2]))


@flow
def looking(body: str) -> tuple[list[tuple[object, object, int]], object]:
    called = {"threads": in_threads, "processes": in_processes}[body]
    return called(), runtime.flow_run.id


def test_a_wrapped_function_stands_in_its_run_in_other_threads(dalsegno_test_harness: Harness) -> None:
    seen, flow_run_id = looking("threads")
    (task_run,) = dalsegno_test_harness.task_runs("in_threads")
    assert [value for _, _, value in seen] == [3, 6]
    assert {id_ for id_, _, _ in seen} == {flow_run_id}
    assert {run.parent_task_run_id for run in dalsegno_test_harness.task_runs("triple")} == {task_run.id}
    assert [line.message for line in dalsegno_test_harness.logs() if "looking at" in line.message]


def test_a_wrapped_function_stands_in_its_run_in_other_processes(dalsegno_test_harness: Harness) -> None:
    seen, flow_run_id = looking("processes")
    (task_run,) = dalsegno_test_harness.task_runs("in_processes")
    assert [value for _, _, value in seen] == [3, 6]
    assert {id_ for id_, _, _ in seen} == {flow_run_id}
    inner = dalsegno_test_harness.task_runs("triple")
    assert {(run.parent_task_run_id, run.state.name) for run in inner} == {(task_run.id, "Completed")}
    lines = sorted(line.message for line in dalsegno_test_harness.logs() if "looking at" in line.message)
    assert lines == ["looking at 1", "looking at 2"]


def test_outside_of_runs_there_is_nothing_to_carry_but_tags() -> None:
    with tags("a"):
        carried = pickle.loads(pickle.dumps(serialize_context()))
    with hydrated_context(carried), tags("b") as now:
        assert now == {"a", "b"}
        assert FlowRunContext.get() is None
    with hydrated_context(None):
        assert TaskRunContext.get() is None


def test_settings_are_a_context_too() -> None:
    assert get_settings_context().results.persist_by_default is True
