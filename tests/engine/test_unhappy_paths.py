"""What must not stop a run: odd texts, callbacks that fail, loops that are gone, bodies that were left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

from dalsegno import flow, task
from dalsegno.cache_policies import INPUTS
from dalsegno.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

ODD_TEXTS = """
from dalsegno import flow, tags, task
from dalsegno.logging import get_run_logger

NAME = "caf\\udce9.txt"  # what Python makes of a file name that is no UTF-8


@task
def read(path):
    raise ValueError(path)


@flow
def reading(path):
    get_run_logger().info("file %s", path)
    read(path)


with tags(NAME):
    state = reading(NAME, return_state=True)
print(state.type.value, NAME in state.message)
"""


def test_texts_that_are_no_unicode_are_recorded(tmp_path: Path) -> None:
    script = tmp_path / "reading.py"
    script.write_text(ODD_TEXTS, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, errors="replace", timeout=60)
    assert done.stdout.split()[-2:] == ["FAILED", "True"], ascii(done.stderr)


def test_an_error_that_cannot_tell_its_text_fails_the_run() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise AttributeError("no text")

    @task
    def refuse() -> None:
        raise Mute

    @flow
    def refusing() -> str:
        assert isinstance(refuse(return_state=True).result(raise_on_failure=False), Mute)
        raise Mute

    state = refusing(return_state=True)
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), Mute)


def test_a_callback_that_fails_stops_nobody_else() -> None:
    go = threading.Event()

    @task
    def wait_and_give(value: int) -> int:
        go.wait(10)
        return value

    def fail(_: object) -> None:
        raise ValueError("callback")

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def two() -> list[int]:
        first = wait_and_give.submit(1)
        first.add_done_callback(fail)
        second = wait_and_give.submit(2)
        go.set()
        return [first.result(timeout=10), second.result(timeout=10)]

    assert two() == [1, 2]


def test_a_loop_that_stopped_waiting_and_is_gone_stops_nobody_else() -> None:
    go = threading.Event()

    @task
    def give(value: int) -> int:
        go.wait(10)
        return value

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def waiting() -> list[int]:
        first = give.submit(1)
        asyncio.run(first.wait_async(0.001))
        first.wait(0.001)
        assert len(first._callbacks or ()) == 1  # pyright: ignore[reportPrivateUsage]
        second: Any = give.submit(cast("Any", first))
        go.set()
        return [first.result(timeout=10), second.result(timeout=10)]

    assert waiting() == [1, 1]


def test_a_chain_of_submitted_coroutines_runs_on_one_loop() -> None:
    threads: set[str] = set()

    @task
    async def add(number: int) -> int:
        threads.add(threading.current_thread().name)
        return number + 1

    @flow
    def chain() -> int:
        future: Any = add.submit(0)
        for _ in range(20):
            future = add.submit(future)
        return future.result()

    assert chain() == 21
    assert len(threads) == 1


def test_a_coroutine_that_blocks_on_a_thread_that_submits_coroutines_goes_on() -> None:
    @task
    async def leaf() -> int:
        return 1

    @task
    def middle() -> int:
        return leaf.submit().result(timeout=10) + 1

    @task
    async def top() -> int:
        return middle.submit().result(timeout=20) + 1

    @flow
    def nested() -> int:
        return top.submit().result(timeout=30)

    assert nested() == 3


def test_a_task_that_its_flow_left_behind_is_not_retried() -> None:
    runs: list[int] = []
    go = threading.Event()
    left = threading.Event()

    @task(retries=3)
    def fail() -> None:
        runs.append(1)
        go.wait(10)
        if len(runs) > 1:
            left.set()
        raise ValueError

    @flow(timeout_seconds=0.2)
    def short() -> None:
        fail.submit()
        threading.Event().wait(10)

    assert short(return_state=True).name == "TimedOut"
    go.set()
    assert not left.wait(0.5)
    assert len(runs) == 1


@task(result_storage_key="{parameters[nope]}", cache_policy=INPUTS)
def misplaced() -> int:
    return 1


def test_a_result_whose_place_cannot_be_named_is_not_kept_and_the_run_completes() -> None:
    state = misplaced(return_state=True)
    assert (state.name, state.result()) == ("Completed", 1)


class Odd(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("odd")


@task
def odd() -> None:
    raise Odd(1, 2)


def test_an_error_that_cannot_be_read_again_is_named_by_the_process_that_asked_for_it() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def pooled() -> Exception:
        return odd.submit().result(raise_on_failure=False)  # type: ignore[return-value]

    error = pooled()
    assert "Odd" in str(error)
