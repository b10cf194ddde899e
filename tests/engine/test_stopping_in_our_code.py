"""Bodies that are told to stop while they stand in the engine's own code, or while they note their end themselves."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno._engine.context import current_scope
from dalsegno._engine.drivers import Countdown
from dalsegno._engine.runs import CANCELLED, now
from dalsegno.exceptions import CancelledRun, RunCancelled
from dalsegno.model.views import Page, RunFilter
from dalsegno.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

PATIENCE = 25.0


def within_our_code(fn: object) -> None:
    """Call a function from one of the engine's that does not say that it may be broken off."""
    Countdown(1, fn)._count(None)  # pyright: ignore[reportPrivateUsage, reportArgumentType]


def test_a_body_in_a_thread_leaves_our_code_before_it_ends() -> None:
    runner = ThreadPoolTaskRunner(max_workers=1)
    inside, told = threading.Event(), threading.Event()
    left: list[str] = []

    def in_between() -> None:
        inside.set()
        told.wait(PATIENCE)
        left.append("our code")

    @task
    def body() -> None:
        within_our_code(in_between)
        try:
            while True:
                threading.Event().wait(0.001)
        except RunCancelled:
            left.append("the body")
            raise

    @flow(task_runner=runner)
    def main() -> None:
        future = body.submit()
        assert inside.wait(PATIENCE)
        runner.cancel_all()
        told.set()
        with pytest.raises(CancelledRun):
            future.result()

    main()
    assert left == ["our code", "the body"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_body_in_a_process_leaves_our_code_before_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    said = tmp_path / "said"

    def say(what: str) -> None:
        with said.open("a") as file:
            file.write(f"{what}\n")

    @task
    def body() -> None:
        def in_between() -> None:
            os.kill(os.getpid(), number)
            say("our code")

        within_our_code(in_between)
        try:
            while True:
                threading.Event().wait(0.001)
        except BaseException as error:
            say(type(error).__name__)
            raise

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def main() -> None:
        body.submit().wait()

    main(return_state=True)
    assert said.read_text().split("\n")[:2] == [
        "our code",
        "RunCancelled" if number == signal.SIGUSR1 else "TerminationSignal",
    ]


def test_an_end_that_is_noted_and_not_recorded_yet_is_recorded() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @task
    def body() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    @flow
    def main() -> None:
        future = body.submit()
        scope = current_scope()
        assert scope is not None
        assert scope.submissions is not None
        assert begun.wait(PATIENCE)
        scope.session.journal.barrier(durable=False)
        (submitted,) = scope.submissions.open_futures.values()
        # As the body's own thread does, between two of its instructions.
        submitted.future.run.history.append((CANCELLED, now(), None, "The run was cancelled."))
        submitted.give_up(RunCancelled("The run was cancelled."))
        go_on.set()
        future.wait()

    main()
    assert [run.state.name for run in connect().list_task_runs(RunFilter(), Page())] == ["Cancelled"]
