"""What a user's tests get: a database in memory, a clock, and questions about what ran."""

from __future__ import annotations

import os
import time

import pytest

from dalsegno import flow, sleep, task
from dalsegno.testing import FakeClock, Harness, harness
from dalsegno.testing.utilities import dalsegno_test_harness, exceptions_equal, get_most_recent_flow_run


@task
def double(number: int) -> int:
    return 2 * number


@flow(name="doubling")
def doubling(number: int) -> int:
    return double(double.submit(number).result())


def test_runs_in_a_harness_are_recorded_there_and_nowhere_else() -> None:
    home = os.environ["DALSEGNO_HOME"]
    with harness() as runs:
        assert doubling(2) == 8
        runs.assert_ran("double", times=2)
        runs.assert_state("doubling", "Completed")
        assert [state.name for state in runs.flow_run("doubling").states or []] == ["Pending", "Running", "Completed"]
    assert os.environ["DALSEGNO_HOME"] == home
    assert not os.path.exists(home)


def test_two_harnesses_know_nothing_of_each_other() -> None:
    with harness():
        doubling(1)
    with harness() as runs:
        assert runs.flow_runs() == []


def test_a_harness_is_entered_in_under_50_ms() -> None:
    with harness():
        pass
    begun = time.perf_counter()
    with harness():
        assert time.perf_counter() - begun < 0.05


def test_questions_that_are_answered_otherwise_fail_and_say_what_ran() -> None:
    with harness() as runs:
        doubling(2)
        with pytest.raises(AssertionError, match=r"'double' ran 2 time\(s\), not 1"):
            runs.assert_ran("double", times=1)
        with pytest.raises(AssertionError, match="are Completed, not Failed"):
            runs.assert_state("double", "Failed")
        with pytest.raises(AssertionError, match="no run of 'triple'"):
            runs.assert_state("triple", "Completed")


def test_the_plugin_gives_a_harness(dalsegno_test_harness: Harness) -> None:
    doubling(3)
    assert len(dalsegno_test_harness.task_runs()) == 2
    assert any("Finished" in line.message for line in dalsegno_test_harness.logs())


def test_the_plugin_gives_a_clock_by_which_nothing_waits(
    dalsegno_test_harness: Harness, dalsegno_clock: FakeClock
) -> None:
    failures = [ValueError("not yet"), ValueError("not yet")]

    @task(retries=2, retry_delay_seconds=[60, 120])
    def flaky() -> str:
        if failures:
            raise failures.pop()
        return "done"

    @flow
    def patient() -> str:
        sleep(3600)
        return flaky.submit().result()

    begun = time.monotonic()
    before = dalsegno_clock.now()
    assert patient() == "done"
    assert time.monotonic() - begun < 5
    assert dalsegno_clock.slept == [3600, 60, 120]
    assert (dalsegno_clock.now() - before).total_seconds() >= 3780


def test_the_names_that_the_field_knows() -> None:
    with dalsegno_test_harness() as runs:
        doubling(1)
        assert get_most_recent_flow_run().id == runs.flow_run().id
    assert exceptions_equal(ValueError("a"), ValueError("a"))
    assert not exceptions_equal(ValueError("a"), TypeError("a"))
