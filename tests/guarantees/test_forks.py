"""User code that forks, in tasks and in flows: the records stay right, and every process ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.guarantees.processes import Program

from dalsegno._backend.connect import connect
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView

HEAD = '''
import logging
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

from dalsegno import flow, get_run_logger, task
from dalsegno.artifacts import create_markdown_artifact

forking = multiprocessing.get_context("fork")


@task
def before(number: int) -> int:
    return number


@task
def square(number: int) -> int:
    return number * number


def in_child(number: int) -> int:
    """What a forked child may well do: call tasks, submit them, write to the log, make an artifact."""
    get_run_logger().info("said in a child")
    logging.getLogger("dalsegno.mine").info("said in a child")
    create_markdown_artifact("of a child")
    return square(number) + square.submit(number).result()
'''

POOL = (
    HEAD
    + """
@task
def fan_out(numbers: list[int]) -> int:
    with ProcessPoolExecutor(2, mp_context=forking) as pool:
        return sum(pool.map(in_child, numbers))


@flow
def forks() -> int:
    total = before(1)
    total += fan_out([1, 2, 3])
    total += fan_out.submit([4]).result()
    get_run_logger().info("said by the parent")
    return total + square(10)


if __name__ == "__main__":
    assert forks() == 1 + 2 * (1 + 4 + 9) + 2 * 16 + 100
    print("ended")
"""
)

PROCESS = (
    HEAD
    + """
def put(queue: object, number: int) -> None:
    queue.put(in_child(number))


@task
def fan_out(numbers: list[int]) -> int:
    queue = forking.Queue()
    children = [forking.Process(target=put, args=(queue, number)) for number in numbers]
    for child in children:
        child.start()
    total = sum(queue.get() for _ in children)
    for child in children:
        child.join()
        assert child.exitcode == 0
    return total


@flow
def forks() -> int:
    total = before(1)
    total += fan_out([1, 2, 3])
    total += fan_out.submit([4]).result()
    get_run_logger().info("said by the parent")
    return total + square(10)


if __name__ == "__main__":
    assert forks() == 1 + 2 * (1 + 4 + 9) + 2 * 16 + 100
    print("ended")
"""
)

BARE_FORK = (
    HEAD
    + """
@task
def fan_out(numbers: list[int]) -> int:
    total = 0
    for number in numbers:
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            # This child leaves through the whole body of the flow, as a careless one does.
            os.write(sending, str(in_child(number)).encode())
            sys.exit(7)
        os.close(sending)
        with os.fdopen(receiving) as pipe:
            total += int(pipe.read())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    return total


@flow
def forks() -> int:
    total = before(1)
    total += fan_out([1, 2, 3])
    total += fan_out([4])
    get_run_logger().info("said by the parent")
    return total + square(10)


if __name__ == "__main__":
    assert forks() == 1 + 2 * (1 + 4 + 9) + 2 * 16 + 100
    print("ended")
"""
)

BUSY = (
    HEAD
    + '''
@task
def fork_often() -> int:
    """Forks while other tasks write and the journal delivers: a lock that is held then must not stay locked."""
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if in_child(3) == 18 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return 0


@task
def chatter(number: int) -> int:
    get_run_logger().info("said by the parent")
    return number


@flow
def forks() -> int:
    forking_ones = [fork_often.submit() for _ in range(2)]
    total = 0
    while not all(one.state.is_final() for one in forking_ones):
        total += len(chatter.map(range(20)).result())
    return total


if __name__ == "__main__":
    print(forks())
'''
)

WAITS_FOR_PARENT = (
    HEAD
    + """
go_on = threading.Event()


@task
def slow() -> int:
    go_on.wait()
    return 5


@flow
def forks() -> int:
    future = slow.submit()
    child = os.fork()
    if child == 0:
        try:
            future.result()
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        # And out through the body of the flow, which waits for what was submitted in it.
        return square.submit(2).result()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    return future.result()


if __name__ == "__main__":
    print(forks())
"""
)

OWN_FLOW = (
    HEAD
    + """
@flow
def of_child(number: int) -> int:
    get_run_logger().info("said by the child's own flow")
    return square(number)


def run_flow(number: int) -> int:
    return of_child(number)


@flow
def of_parent() -> int:
    return before(2)


if __name__ == "__main__":
    assert of_parent() == 2
    with ProcessPoolExecutor(2, mp_context=forking) as pool:
        assert sum(pool.map(run_flow, [3, 4])) == 25
    assert of_parent() == 2
    print("ended")
"""
)


def the_run() -> FlowRunView:
    (run,) = connect().list_flow_runs(RunFilter(), Page())
    return run


def task_runs(run: FlowRunView) -> list[TaskRunView]:
    return connect().list_task_runs(RunFilter(root_run_ids=[run.id]), Page(limit=100_000))


def said(run: FlowRunView) -> Counter[str]:
    return Counter(line.message for line in connect().list_logs(flow_run_id=run.id, limit=100_000))


@pytest.mark.parametrize("text", [POOL, PROCESS, BARE_FORK], ids=["pool", "process", "bare fork"])
def test_what_a_forked_child_does_is_no_part_of_the_run(text: str, tmp_path: Path, dalsegno_home: Path) -> None:
    ended = Program(tmp_path, dalsegno_home, text).run()
    assert (ended.status, ended.last) == (0, "ended"), ended.errors
    assert "Traceback" not in ended.errors
    run = the_run()
    assert run.state.name == "Completed"
    found = task_runs(run)
    assert Counter(one.task_name for one in found) == {"before": 1, "fan_out": 2, "square": 1}
    assert {one.state.name for one in found} == {"Completed"}
    lines = said(run)
    assert lines["said by the parent"] == 1
    assert lines["said in a child"] == 0
    assert connect().list_artifacts(page=Page()) == []


def test_forks_amid_writing_threads_neither_hang_nor_lose_anything(tmp_path: Path, dalsegno_home: Path) -> None:
    ended = Program(tmp_path, dalsegno_home, BUSY).run()
    assert ended.status == 0, ended.errors
    run = the_run()
    assert run.state.name == "Completed"
    tasks = Counter(one.task_name for one in task_runs(run))
    assert tasks == {"fork_often": 2, "chatter": int(ended.last)}
    assert said(run)["said by the parent"] == int(ended.last)


def test_a_child_does_not_wait_for_what_runs_in_its_parent(tmp_path: Path, dalsegno_home: Path) -> None:
    ended = Program(tmp_path, dalsegno_home, WAITS_FOR_PARENT).run()
    assert ended.output.splitlines() == [
        "CrashedRun It runs in the process that this one was forked from: its result is to be had there only.",
        "4",
        "5",
    ], ended.errors
    assert [(one.task_name, one.state.name) for one in task_runs(the_run())] == [("slow", "Completed")]


def test_a_forked_child_may_run_flows_of_its_own(tmp_path: Path, dalsegno_home: Path) -> None:
    ended = Program(tmp_path, dalsegno_home, OWN_FLOW).run()
    assert (ended.status, ended.last) == (0, "ended"), ended.errors
    runs = connect().list_flow_runs(RunFilter(), Page())
    assert Counter((run.flow_name, run.state.name) for run in runs) == {
        ("of-parent", "Completed"): 2,
        ("of-child", "Completed"): 2,
    }
    for run in runs:
        assert [one.state.name for one in task_runs(run)] == ["Completed"]
        assert said(run)["said by the child's own flow"] == (run.flow_name == "of-child")
