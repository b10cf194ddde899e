"""A year of ticks in each of several time zones, beside an oracle that walks every minute of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.scheduling import oracle
from tests.scheduling.oracle import micros

from dalsegno._scheduling import check, ticks_between
from dalsegno.model.schedules import ScheduleSpec

YEARS = [
    ("Europe/Berlin", 2026),
    ("Australia/Lord_Howe", 2026),  # changed by half an hour
    ("America/Sao_Paulo", 2018),  # changed at midnight, while it still was
    *(
        pytest.param(one, marks=pytest.mark.slow)
        for one in [
            ("UTC", 2026),
            ("America/New_York", 2026),
            ("Asia/Kathmandu", 2026),  # 5:45 ahead
            ("Africa/Casablanca", 2026),  # put back for Ramadan
            ("Pacific/Apia", 2011),  # without 30 December
        ]
    ),
]
CRONS = [
    "30 2 * * *",
    "*/20 1-3 * * *",
    "*/15 * * * *",
    "45 * * * SAT,SUN",
    "0 */2 * * *",
    "15 0 1,15 * FRI",
    "10 1,2 25-31 MAR,OCT 7",
    "0 9 30 12 *",
]
A_LOT = 10**6


@pytest.fixture(scope="module", params=YEARS, ids=lambda one: f"{one[0]} {one[1]}")
def year(request: pytest.FixtureRequest) -> tuple[str, int, int]:
    """Give a zone, and the beginning and end of a year."""
    zone, number = request.param
    return zone, micros(number, 1, 1), micros(number + 1, 1, 1)


def test_cron_ticks_of_a_year_are_those_of_the_wall_clock(year: tuple[str, int, int]) -> None:
    zone, start, end = year
    for text in CRONS:
        spec = ScheduleSpec(cron=text, timezone=zone)
        check(spec)
        assert ticks_between(spec, start, end, A_LOT) == oracle.cron_ticks(text, zone, start, end), text


def test_rules_and_whole_days_tick_by_the_wall_clock_too(year: tuple[str, int, int]) -> None:
    zone, start, end = year
    anchor = datetime(2010, 1, 4)
    of_line = "DTSTART:20100104T000000\nRRULE:"

    def weeks_since(wall: datetime) -> int:
        return (wall - anchor).days // 7

    once = {
        "FREQ=DAILY;BYHOUR=2;BYMINUTE=30": lambda wall: (wall.hour, wall.minute) == (2, 30),
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;BYHOUR=2,23": lambda wall: (
            wall.weekday() in (6, 0) and weeks_since(wall) % 2 == 0 and wall.hour in (2, 23) and wall.minute == 0
        ),
        "FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=1,2;BYMINUTE=45": lambda wall: (
            wall.weekday() == 6 and oracle.is_last_week(wall) and wall.hour in (1, 2) and wall.minute == 45
        ),
        "FREQ=HOURLY;BYHOUR=0,2": lambda wall: wall.hour in (0, 2) and wall.minute == 0,
    }
    for rule, matches in once.items():
        spec = ScheduleSpec(rrule=of_line + rule, timezone=zone)
        check(spec)
        assert ticks_between(spec, start, end, A_LOT) == oracle.each_once(matches, zone, start, end), rule
    hourly = ScheduleSpec(rrule=of_line + "FREQ=MINUTELY;INTERVAL=30;BYDAY=SU,TU,FR", timezone=zone)
    expected = oracle.by_the_clock(
        lambda wall: wall.minute in (0, 30) and wall.weekday() in (6, 1, 4), zone, start, end
    )
    assert ticks_between(hourly, start, end, A_LOT) == expected
    days = ScheduleSpec(
        interval=3 * 86_400, timezone=zone, anchor_date=oracle.moment_of(datetime(2010, 1, 4, 2, 30), zone)
    )
    expected = oracle.each_once(
        lambda wall: (wall.hour, wall.minute) == (2, 30) and (wall - anchor).days % 3 == 0, zone, start, end
    )
    assert ticks_between(days, start, end, A_LOT) == expected
