"""A call that is answered by the record has the state that was recorded: its name, its message, its details."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.guarantees.replay_attempts import Attempts

from dalsegno import flow, task
from dalsegno.states import Completed, StateDetails

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@task
def checked(rows: int) -> Any:
    details = StateDetails(cache_key="rows", cache_expiration=MOMENT, retriable=False)
    return Completed(data=rows, name="Checked", message=f"{rows} rows are fine.", state_details=details)


def told(state: Any) -> tuple[Any, ...]:
    details = state.state_details
    return (
        *(state.type, state.name, state.message, state.timestamp, state.result()),
        *(details.cache_key, details.cache_expiration, details.retriable, details.task_run_id),
    )


def test_the_state_of_a_call_is_the_recorded_one(attempts: Attempts) -> None:
    seen: list[tuple[Any, ...]] = []

    @flow
    def main() -> None:
        seen.append(told(checked(3, return_state=True)))
        future = checked.submit(4)
        future.wait()
        seen.append(told(future.state))
        attempts.fail()

    attempts.first(main)
    assert attempts.again().is_completed()
    assert seen[2:] == seen[:2]
    assert seen[0][1:3] == ("Checked", "3 rows are fine.")
    assert seen[0][5:8] == ("rows", MOMENT, False)


def test_a_plain_call_has_no_message_and_the_time_of_its_end(attempts: Attempts) -> None:
    seen: list[tuple[Any, ...]] = []

    @task
    def one() -> int:
        return 1

    @flow
    def main() -> None:
        state = one(return_state=True)
        seen.append((state.message, state.timestamp, str(state)))
        attempts.fail()

    attempts.first(main)
    attempts.again()
    assert seen[0] == seen[1]
    assert seen[1][0] is None


def test_a_skipped_call_says_why_and_a_nested_flow_says_what_it_said(attempts: Attempts) -> None:
    seen: list[str | None] = []

    @task
    def empty() -> None:
        from dalsegno.exceptions import Skip

        raise Skip("there is nothing today")

    @flow
    def part() -> Any:
        return Completed(data=5, message="the part is done")

    @flow
    def main() -> None:
        states: list[Any] = [empty(return_state=True), part(return_state=True)]
        seen.extend(state.message for state in states)
        attempts.fail()

    attempts.first(main)
    attempts.again()
    assert seen == ["there is nothing today", "the part is done"] * 2


@pytest.mark.parametrize("retried", [False, True])
def test_a_run_that_starts_from_another_records_the_state_with_the_result(attempts: Attempts, retried: bool) -> None:
    seen: list[tuple[Any, ...]] = []

    @flow
    def main(day: int = 1) -> None:
        seen.append(told(checked(3, return_state=True)))
        attempts.fail(1, 2)

    attempts.first(main)
    attempts.again(parameters={"day": 2})
    if retried:
        attempts.again(of=str(attempts.runs.flow_runs("main")[-1].id.hex()))
    first, last = seen[0], seen[-1]
    assert last[:3] == first[:3]
    assert last[4:8] == first[4:8]
    messages = [run.state.message for run in attempts.task_runs("checked")]
    assert messages == ["3 rows are fine."] * 2
