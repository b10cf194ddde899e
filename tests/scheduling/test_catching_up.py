"""After an outage: what still runs, and which tick is next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scheduling.oracle import MICROS, micros

from dalsegno._scheduling import missed, next_tick, ticks_between
from dalsegno.model.schedules import CatchUp, ScheduleSpec

HOUR = 3600 * MICROS
NOON = micros(2026, 5, 4, 12)


def hourly(catchup: CatchUp = "latest", max_lateness: float | None = None) -> ScheduleSpec:
    return ScheduleSpec(cron="0 * * * *", catchup=catchup, max_lateness=max_lateness)


def test_nothing_runs_before_the_next_tick() -> None:
    assert missed(hourly(), NOON, NOON - 1, 10) == ([], NOON)


@pytest.mark.parametrize("catchup", ["latest", "all", "none"])
@pytest.mark.parametrize("late", [0, 1, 30 * MICROS])
def test_a_tick_that_is_on_time_runs_whatever_catchup_says(catchup: CatchUp, late: int) -> None:
    assert missed(hourly(catchup), NOON, NOON + late, 10) == ([NOON], NOON + HOUR)


def test_after_an_outage_the_latest_runs_or_all_or_none() -> None:
    now = NOON + 4 * HOUR + 60 * MICROS
    ticks = [NOON + n * HOUR for n in range(5)]
    assert missed(hourly("latest"), NOON, now, 10) == (ticks[-1:], NOON + 5 * HOUR)
    assert missed(hourly("all"), NOON, now, 10) == (ticks, NOON + 5 * HOUR)
    assert missed(hourly("none"), NOON, now, 10) == ([], NOON + 5 * HOUR)


def test_what_is_on_time_is_the_latest() -> None:
    now = NOON + 4 * HOUR + 5 * MICROS
    assert missed(hourly("latest"), NOON, now, 10) == ([NOON + 4 * HOUR], NOON + 5 * HOUR)
    assert missed(hourly("none"), NOON, now, 10) == ([NOON + 4 * HOUR], NOON + 5 * HOUR)


def test_more_than_may_be_taken_at_once_is_taken_in_turns() -> None:
    now = NOON + 4 * HOUR + 60 * MICROS
    kept, taken = NOON, []
    for _ in range(3):
        found, following = missed(hourly("all"), kept, now, 2)
        taken.append(found)
        assert following is not None
        kept = following
    assert taken == [[NOON, NOON + HOUR], [NOON + 2 * HOUR, NOON + 3 * HOUR], [NOON + 4 * HOUR]]
    assert kept == NOON + 5 * HOUR


def test_what_is_later_than_max_lateness_never_runs() -> None:
    now = NOON + 4 * HOUR + 60 * MICROS
    assert missed(hourly("all", 7200), NOON, now, 10)[0] == [NOON + 3 * HOUR, NOON + 4 * HOUR]
    assert missed(hourly("latest", 61), NOON, now, 10)[0] == [NOON + 4 * HOUR]
    assert missed(hourly("latest", 59), NOON, now, 10)[0] == []
    assert missed(hourly("all", 0), NOON, NOON, 10)[0] == [NOON]
    assert missed(hourly("all", 0), NOON, NOON + 1, 10)[0] == []


def test_the_latest_of_a_month_of_seconds_is_found_at_once() -> None:
    every_second = ScheduleSpec(cron="* 9 * * *", timezone="Europe/Berlin")
    now = NOON + 30 * 24 * HOUR
    found, following = missed(every_second, NOON, now, 10)
    assert found == [micros(2026, 6, 3, 7, 59)]
    assert following == micros(2026, 6, 4, 7)


def test_a_tick_that_was_kept_counts_even_if_the_rules_of_its_zone_have_changed() -> None:
    assert missed(hourly("all"), NOON + 7, NOON + 8, 10) == ([NOON + 7], NOON + HOUR)
    assert missed(hourly("latest"), NOON + 7, NOON + 60 * MICROS, 10) == ([NOON + 7], NOON + HOUR)


def test_a_schedule_that_ends_has_no_next_tick() -> None:
    once = ScheduleSpec(rrule="DTSTART:20260504T120000\nFREQ=DAILY;COUNT=1")
    assert missed(once, NOON, NOON + 1, 10) == ([NOON], None)


@given(
    st.sampled_from(["latest", "all", "none"]),
    st.sampled_from([None, 0.0, 100.0, 5000.0]),
    st.integers(1, 9000),
    st.integers(0, 100_000 * MICROS),
    st.integers(1, 7),
)
def test_no_tick_is_taken_twice_and_with_all_none_is_lost(
    catchup: CatchUp, lateness: float | None, seconds: int, outage: int, limit: int
) -> None:
    spec = ScheduleSpec(interval=seconds, catchup=catchup, max_lateness=lateness)
    first = next_tick(spec, NOON)
    assert first is not None
    kept: int | None = first
    now, taken = first + outage, list[int]()
    while kept is not None and kept <= now and len(taken) < 300:
        found, kept = missed(spec, kept, now, limit)
        taken += found
    due = ticks_between(spec, first, now + 1, 10**6)
    allowed = [tick for tick in due if lateness is None or tick >= now - lateness * 1e6]
    if catchup == "all":
        assert taken == allowed[: len(taken)]
        assert len(taken) >= min(len(allowed), 300)
    else:
        on_time = [tick for tick in allowed if tick >= now - 30 * MICROS]
        assert taken == (on_time or (allowed[-1:] if catchup == "latest" else []))
