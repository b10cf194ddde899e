"""A run that is told to stop does so at once, wherever its code stands: the journal's thread only says so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dalsegno
from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._engine.context import get_run_context
from dalsegno.exceptions import RunCancelled
from dalsegno.futures import as_completed
from dalsegno.model.views import FlowRunView, Page, RunFilter

LONG = 30.0
AT_ONCE = 5.0
"""Seconds, far below `LONG` and far above what a busy machine needs."""


class Stopper:
    """Tells a run to stop as soon as its code says where it stands, as the journal's thread would."""

    def __init__(self) -> None:
        self._session: Any = None
        self._there = threading.Event()
        self._thread = threading.Thread(target=self._stop)
        self._thread.start()

    def here(self) -> None:
        self._session = get_run_context().session
        self._there.set()

    def _stop(self) -> None:
        self._there.wait(LONG)
        time.sleep(0.05)  # so that the code that said so has begun to wait
        if self._session is not None:
            self._session.on_cancel_requested()

    def end(self) -> None:
        self._there.set()
        self._thread.join()


@pytest.fixture
def stopper() -> Iterator[Stopper]:
    stopper = Stopper()
    yield stopper
    stopper.end()


def in_main(run: Callable[[], Any]) -> None:
    run()


def in_thread(run: Callable[[], Any]) -> None:
    """Run in another thread, where no signal arrives, and give what it raises."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(LONG + AT_ONCE)
    if raised:
        raise raised[0]


def the_root() -> FlowRunView:
    (root,) = connect().list_flow_runs(RunFilter(top_level=True), Page())
    return root


everywhere = pytest.mark.parametrize("where", [in_main, in_thread])


def names_in_the_end() -> set[str]:
    """Give the states of the task runs once all have ended: a call in a body that was left notes its end by itself."""
    give_up = time.monotonic() + 10
    while True:
        token = connect().change_token()
        names = {run.state.name for run in connect().list_task_runs(RunFilter(), Page())}
        if "Running" not in names or time.monotonic() > give_up:
            return names
        connect().wait_for_change(token, 1.0)


def cancelled_at_once(where: Callable[[Callable[[], Any]], None], run: Callable[[], Any]) -> None:
    start = time.monotonic()
    with pytest.raises(RunCancelled):
        where(run)
    assert time.monotonic() - start < AT_ONCE
    assert the_root().state.name == "Cancelled"
    assert names_in_the_end() <= {"Cancelled", "Completed"}


@everywhere
def test_while_the_engine_waits_to_retry_a_task(stopper: Stopper, where: Any) -> None:
    @task(retries=1, retry_delay_seconds=LONG)
    def broken() -> None:
        stopper.here()
        raise ValueError("broken")

    @flow
    def main() -> None:
        broken()

    cancelled_at_once(where, main)


@everywhere
def test_while_the_engine_waits_to_retry_a_flow(stopper: Stopper, where: Any) -> None:
    @flow(retries=1, retry_delay_seconds=LONG)
    def main() -> None:
        stopper.here()
        raise ValueError("broken")

    cancelled_at_once(where, main)


@everywhere
@pytest.mark.parametrize("how", ["result", "wait", "as_completed", "argument", "end of the body"])
def test_while_a_flow_waits_for_what_it_submitted(stopper: Stopper, where: Any, how: str) -> None:
    go_on = threading.Event()

    @task
    def hold() -> int:
        stopper.here()
        go_on.wait(LONG)
        return 1

    @task
    def use(value: int) -> None: ...

    @flow
    def main() -> None:
        future = hold.submit()
        match how:
            case "result":
                future.result()
            case "wait":
                dalsegno.futures.wait([future])
            case "as_completed":
                list(as_completed([future]))
            case "argument":
                use(future)  # pyright: ignore[reportArgumentType]
            case _:
                pass

    try:
        cancelled_at_once(where, main)
    finally:
        go_on.set()


@everywhere
@pytest.mark.parametrize("submitted", [False, True])
def test_while_a_recorded_sleep_goes_on(stopper: Stopper, where: Any, submitted: bool) -> None:
    @task
    def pause() -> None:
        stopper.here()
        dalsegno.sleep(LONG)

    @flow
    def main() -> None:
        if submitted:
            pause.submit().result()
        else:
            pause()

    cancelled_at_once(where, main)


@everywhere
def test_while_a_worker_waits_for_another(stopper: Stopper, where: Any) -> None:
    go_on = threading.Event()
    woken = threading.Event()

    @task
    def hold() -> None:
        stopper.here()
        go_on.wait(LONG)

    @task
    def outer() -> None:
        try:
            hold.submit().result()
        finally:
            woken.set()

    @flow
    def main() -> None:
        outer.submit().result()

    try:
        cancelled_at_once(where, main)
        assert woken.wait(AT_ONCE)
    finally:
        go_on.set()


@everywhere
@pytest.mark.parametrize("how", ["await", "submit", "retry"])
def test_while_a_coroutine_waits(stopper: Stopper, where: Any, how: str) -> None:
    @task(retries=1, retry_delay_seconds=LONG)
    async def hold() -> None:
        stopper.here()
        if how == "retry":
            raise ValueError("broken")
        await asyncio.sleep(LONG)

    @flow
    async def main() -> None:
        if how == "submit":
            await hold.submit()
        else:
            await hold()

    cancelled_at_once(where, lambda: asyncio.run(main()))


def test_a_wish_that_comes_after_the_end_changes_nothing() -> None:
    seen: list[str] = []

    def late(flow: Any, run: Any, state: Any) -> None:
        run.session.on_cancel_requested()
        seen.append("hook")

    @flow(on_completion=[late])
    def main() -> int:
        return 5

    assert main() == 5
    assert the_root().state.name == "Completed"
