"""Limits on how much is done at one time."""

from __future__ import annotations

import asyncio

import pytest

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno.concurrency import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    concurrency,
    rate_limit,
)
from dalsegno.model.limits import NewLimit
from dalsegno.model.views import Page, RunFilter


@pytest.mark.behaviour(103)
def test_a_limit_that_is_missing_limits_nothing() -> None:
    @flow
    def nightly() -> str:
        with concurrency("missing-limit"):
            rate_limit("missing-limit")
        return "through"

    assert nightly() == "through"


@pytest.mark.behaviour(103)
def test_a_limit_that_is_missing_is_an_error_where_that_is_asked_for() -> None:
    @flow
    async def nightly() -> None:
        with pytest.raises(ConcurrencySlotAcquisitionError, match="missing-limit"):
            async with concurrency("missing-limit", strict=True):
                raise AssertionError
        with pytest.raises(ConcurrencySlotAcquisitionError, match="missing-limit"):
            await rate_limit("missing-limit", strict=True)

    asyncio.run(nightly())


@pytest.mark.behaviour(103)
def test_waiting_for_a_slot_ends_in_time_and_slots_come_back() -> None:
    @task
    def second() -> None:
        with concurrency("one", limit=1, timeout_seconds=0.05):
            pass

    @flow
    def nightly() -> None:
        with concurrency("one", limit=1):
            assert isinstance(second(return_state=True).data, AcquireConcurrencySlotTimeoutError)
        second()

    nightly()


@pytest.mark.behaviour(130)
def test_task_runs_with_a_limited_tag_take_turns() -> None:
    connect().create_limit(NewLimit(name="heavy", limit=1, kind="tag"))

    @task(tags=["heavy"])
    def work() -> int:
        return len(connect().list_slot_holders(limit.id, None, 10))

    limit = connect().find_limit("tag", "heavy")
    assert limit is not None

    @flow
    def nightly() -> list[int]:
        return [future.result() for future in [work.submit() for _ in range(4)]]

    assert nightly() == [1, 1, 1, 1]
    histories = [connect().read_task_run(run.id) for run in connect().list_task_runs(RunFilter(), Page())]
    names = [[state.name for state in (run.states or [])] for run in histories if run is not None]
    assert all(each[-2:] == ["Running", "Completed"] for each in names)
